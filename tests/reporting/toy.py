"""A small study as the stages before reporting leave it: records, folds, three models, leaderboard and plots."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from lesion_fusion.cohort.audit.cohort_audit import audit
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.defects import assemble_cases
from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.schema import split_cell
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table
from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.evaluation.comparisons import (
    PlannedComparisons,
    keep_candidates,
    planned_comparisons,
)
from lesion_fusion.evaluation.judge import Evaluation, summary
from lesion_fusion.evaluation.leaderboard import leaderboard
from lesion_fusion.imaging.parameters import ImageInput, Outline
from lesion_fusion.models import Classifier, Late, Network
from lesion_fusion.models.base import Family, ModelParameters, TrainedModel
from lesion_fusion.models.classifier import FittedClassifier
from lesion_fusion.plots.style import as_png
from lesion_fusion.reporting.parameters import Explanation, ReportParameters
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.encoding import feature_table, make_encoder
from lesion_fusion.tabular.parameters import Tuning

CLINICAL, IMAGING, FUSION = "clinical.logistic_regression", "imaging.network", "fusion.late"
RESAMPLES = 200
REFIT = -1
# Defects of two cases, which were excluded for them.
EXCLUDED = pd.DataFrame({"case_id": ["x1", "x1", "x2"], "kind": ["no image", "no age", "no image"]})

# The plot of every model, and those of its kind.
PLOTS = ("evaluation",)
PLOTS_OF_KIND = {
    CLINICAL: ("permutation_importance",),
    IMAGING: ("training_curves", "attention", "gallery"),
}

NEEDS = {
    CLINICAL: "metadata, descriptors",
    IMAGING: "image, mask",
    FUSION: "metadata, descriptors, image, mask",
}
PARAMETERS: dict[str, ModelParameters] = {
    CLINICAL: Classifier(classifier="logistic_regression", views=("record",), grid={"C": [0.1, 1.0]}),
    IMAGING: Network.model_validate(
        {"network": {"backbone": "small_cnn", "epochs": 3}, "image_input": "crop_with_mask"}
    ),
    FUSION: Late(members=(CLINICAL, IMAGING), rule="weighted"),
}
PLANNED = PlannedComparisons.model_validate(
    {
        "groups": {
            "worth": {
                "title": "What the image is worth",
                "rows": [
                    {"what": "record", "model": CLINICAL},
                    {"what": "+ image", "model": FUSION, "reference": CLINICAL},
                ],
            }
        }
    }
)
FINDING = {
    "number": "LF203",
    "severity": "warning",
    "title": "Missingness that tells the outcome",
    "sentence": "58% of the cases without signs are malignant.",
    "cases": [],
    "columns": ["signs"],
    "anchor": "docs/reference/audit-findings.md#lf203",
    "explanation": None,
}


@dataclass
class ToyStudy:
    """All that reporting reads, by dataset name, and the names of the models."""

    names: tuple[str, ...]
    datasets: dict[str, Any] = field(default_factory=dict)


def toy_cases(n: int = 60) -> pd.DataFrame:
    """The `cases` of a synthetic cohort; no image is rendered."""
    record, _ = parse_record(READERS["breast_lesions_usg"](published_table(SyntheticCohort(cases=n, seed=3))))
    sizes = pd.DataFrame({"case_id": record["case_id"], "image_width": 300.0, "image_height": 200.0})
    return assemble_cases(record, sizes, [], "stop")


def toy_predictions(
    cases: pd.DataFrame, folds: pd.DataFrame, name: str, signal: float, repeats: int, classes: tuple[str, ...]
) -> pd.DataFrame:
    """Predictions whose probability of the true class grows with `signal`."""
    family, model = name.split(".")
    rng = np.random.default_rng([len(name), repeats])
    table = folds[folds["repeat"] < repeats].merge(cases[["case_id", "label"]], on="case_id")
    truth = np.stack([table["label"] == one for one in classes], axis=1)
    scores = np.exp(rng.normal(size=truth.shape) + signal * truth)
    table[[f"p_{one}" for one in classes]] = scores / scores.sum(axis=1, keepdims=True)
    table["threshold"] = 0.4 if len(classes) == 2 else np.nan
    for position, (column, value) in enumerate((("protocol", "leak-free"), ("family", family), ("model", model))):
        table.insert(position, column, value)
    return table


def toy_log(name: str, places: list[tuple[int, int]]) -> pd.DataFrame:
    """The training log of a model, in the form of its kind."""
    keys = [{"repeat": repeat, "fold": fold} for repeat, fold in places]
    if name == CLINICAL:
        points = [{"C": 0.1, "score": 0.7, "chosen": False}, {"C": 1.0, "score": 0.8, "chosen": True}]
        return pd.DataFrame([point | key for key in keys for point in points])
    if name == IMAGING:
        epochs = [{"epoch": epoch, "loss": 0.5, "val_loss": abs(epoch - 2) + 0.25} for epoch in (1, 2, 3)]
        return pd.DataFrame([epoch | key for key in keys for epoch in epochs])
    return pd.DataFrame([key | {CLINICAL: 0.25, IMAGING: 0.75} for key in keys])


def toy_model(cases: pd.DataFrame, table: pd.DataFrame, study: Study) -> FittedClassifier:
    """A logistic regression fitted on the record, `table`."""
    encoder, classifier = make_encoder(list(table.columns), 2), LogisticRegression()
    family, name = CLINICAL.split(".")
    return FittedClassifier(
        family=family,
        name=name,
        classes=study.classes,
        threshold=0.5,
        views=("record",),
        record_columns=study.columns,
        descriptor_names=(),
        estimator=Pipeline([("encode", encoder), ("classify", classifier)]).fit(table, cases["label"]),
        calibration=Calibration(np.eye(len(study.classes) - 1), np.zeros(len(study.classes) - 1)),
    )


def without_image(predictions: pd.DataFrame) -> pd.DataFrame:
    """What the fusion predicts without the image: as the clinical model."""
    return predictions.assign(family="fusion", model="late", without="image")


def toy_attention(classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The medians of a network's attention by class."""
    medians = ("share_inside", "lesion_share_of_area", "ratio")
    return [
        {"label": label, "n": 20, **{f"{name}{end}": 0.5 for name in medians for end in ("", "_low", "_high")}}
        for label in classes
    ]


def toy_file(mask: bool) -> bytes:
    """An image of noise, or a mask of a square in it, as a PNG file."""
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80), dtype="uint8")
    square = np.zeros_like(pixels)
    square[20:40, 30:60] = 255
    buffer = io.BytesIO()
    Image.fromarray(square if mask else pixels).save(buffer, format="png")
    return buffer.getvalue()


def picture(width: int = 30, height: int = 20) -> bytes:
    """A small PNG picture."""
    figure = Figure(figsize=(width / 150, height / 150))
    figure.add_axes((0, 0, 1, 1)).imshow(np.arange(width * height).reshape(height, width), aspect="auto")
    return as_png(figure)


@cache
def toy_study(
    signals: tuple[float, float, float] = (1.0, 0.5, 1.4), target: str = "malignancy", n: int = 60
) -> ToyStudy:
    """The study; `signals` of the clinical, imaging and fused model. The network covers one repeat, the others two.

    Made once per process: tests leave it as it is, or change a copy.
    """
    cases = toy_cases(n)
    study = Study(cohort="toy", protocol="leak-free", target=target, predictors=("metadata", "descriptors"), seed=1)
    evaluation = Evaluation(resamples=RESAMPLES, baseline=CLINICAL)
    chosen = study_cases(cases, study.target)
    folds = make_folds(chosen, 3, 2, study.seed)
    identity = {"cohort_digest": "c0ffee", "folds_digest": "f01d5", "seed": "1"}
    judge = evaluation.judge(chosen, study.seed, identity)
    toy = ToyStudy((CLINICAL, IMAGING, FUSION))
    predictions = []
    for name, signal, repeats in zip(toy.names, signals, (2, 1, 2), strict=True):
        family = name.split(".")[0]
        table = toy_predictions(chosen, folds, name, signal, repeats, study.classes)
        places = [*map(tuple, folds.loc[folds["repeat"] < repeats, ["repeat", "fold"]].drop_duplicates().to_numpy())]
        predictions.append(table)
        features = feature_table(("record",), chosen, study.columns) if name == CLINICAL else None
        toy.datasets |= {
            f"{family}_models": Family(
                {
                    name: TrainedModel(
                        parameters=PARAMETERS[name],
                        predictions=table,
                        inner_predictions=table.iloc[:0],
                        training_log=toy_log(name, [*places, (REFIT, REFIT)]),
                        model=toy_model(chosen, features, study) if features is not None else cast("Any", None),
                        features=features,
                        reduced_predictions=without_image(predictions[0]) if name == FUSION else None,
                    )
                }
            ),
            f"{family}_results": FamilyResults(
                {
                    name: {
                        "metrics": summary(table, judge),
                        "attention": toy_attention(study.classes) if name == IMAGING else [],
                    }
                },
                {f"{name}/{plot}": picture() for plot in (*PLOTS, *PLOTS_OF_KIND.get(name, ()))},
                {name: {"needs": NEEDS[name]}},
            ),
        }
    decisions = [
        {
            "registered_name": f"lesion-{name.split('.')[0]}",
            "family": name.split(".")[0],
            "model": name.split(".")[1],
            "alias": "challenger",
            "auroc": 0.7,
            "reasons": ["the calibration slope is 2.00, outside 0.8 to 1.25"],
        }
        for name in toy.names
    ]
    toy.datasets |= {
        "study_cases": chosen,
        "image_descriptors": pd.DataFrame({"case_id": chosen["case_id"], "feret_mm": 12.0}),
        "folds": folds,
        "leaderboard": leaderboard(
            predictions, judge, CLINICAL, keep_candidates(predictions, {FUSION: CLINICAL}, judge)
        ),
        "planned_comparisons": planned_comparisons(predictions, PLANNED, judge),
        "promotion": decisions,
        "cohort_audit": audit(cases, EXCLUDED, [], [], [], study, CohortAudit())
        | {"cohort_digest": "c0ffee", "findings": [FINDING], "unexplained": ["LF203"]},
        "raw_images": dict.fromkeys(cases["image_file"], partial(toy_file, mask=False)),
        "raw_masks": dict.fromkeys(cases["tumor_mask_file"].dropna(), partial(toy_file, mask=True))
        | {
            name: partial(toy_file, mask=True)
            for cell in cases["other_mask_files"].dropna()
            for name in split_cell(cell)
        },
        "params:preprocessing.image_inputs.crop_with_mask": ImageInput(),
        "params:preprocessing.outline": Outline(),
        "params:study": study,
        "reporting.judge": judge,
        "params:evaluation": evaluation,
        "params:tuning": Tuning(),
        "params:explanation": Explanation(cases=12, background=8),
        "params:comparisons": PLANNED,
        "params:report": ReportParameters.model_validate(
            {
                "cohort": {
                    "title": "Toy",
                    "patients": False,
                    "description": "Made up.",
                    "limitations": ["It is a toy."],
                },
                "command": "kedro run",
            }
        ),
    }
    return toy
