"""The feature table of a classifier under a protocol, outcome columns and pixels included where it asks for them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, Kind, Role, assert_no_leak, predictor_columns, split_cell
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.imaging.lesion_image import reduced_pixels
from lesion_fusion.published_study.cells import Trial
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.pictures import MASKINGS
from lesion_fusion.tabular.encoding import feature_table
from lesion_fusion.models.classifier import Classifier


def trial_features(
    trial: Trial, model: Classifier, parameters: PaperReproduction, embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Return the features of the trial's rows, indexed by case_id; `embeddings` (n, d) where the model reads any."""
    protocol = trial.cell.protocol
    extra = parameters.outcome_columns if protocol.outcome_columns else ()
    columns = predictor_columns(model.predictors or parameters.predictors, extra)
    # The gate knows two protocols; one with outcome columns, whatever else it does, takes the paper's liberty.
    assert_no_leak(columns, "paper" if protocol.outcome_columns else "leak-free")
    free_text = [name for name in extra if COLUMN[name].kind is Kind.TEXT]
    table = feature_table(
        model.views,
        trial.rows,
        [name for name in columns if name not in free_text],
        trial.descriptors,
        default_names(),
        embeddings,
        reduced_pixels(masked_images(trial), model.pixel_edge) if "pixels" in model.views else None,
    )
    if reads_outcome(model) and free_text:
        table = table.join(text_indicators(trial.rows.set_index("case_id")[free_text]))
    return table


def reads_outcome(model: Classifier) -> bool:
    """Whether outcome columns would reach the model: they are part of the record."""
    return not {"record", "record_representation"}.isdisjoint(model.views)


def masked_images(trial: Trial) -> np.ndarray:
    """Return what networks see under the trial's protocol, uint8 (n, size, size, 1)."""
    channel = MASKINGS.index(trial.cell.protocol.masks)
    return trial.images[..., channel : channel + 1]


def text_indicators(texts: pd.DataFrame) -> pd.DataFrame:
    """Return an indicator, float64, a part that occurs in a free-text outcome column, `diagnosis: <part>`."""
    assert all(COLUMN[str(name)].role is Role.OUTCOME for name in texts.columns)
    indicators = {}
    for name in texts.columns:
        held = [set(split_cell(cell)) for cell in texts[name]]
        for part in sorted(set().union(*held)):
            indicators[f"{name}: {part}"] = np.array([float(part in parts) for parts in held])
    return pd.DataFrame(indicators, index=texts.index)
