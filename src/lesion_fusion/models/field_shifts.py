"""What a single field of the record is worth to an answer: how far the answer moves where the field is left out."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.models.late import FittedLateFusion
from lesion_fusion.models.transferred import FittedTransferred
from lesion_fusion.tabular.calibration import log_odds

# Enough to measure a root mean square; every field is one more pass of the model over them.
MOST_CASES = 500


def field_shifts(model: FittedModel, cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> dict[str, float]:
    """Return, of each record column, the root mean square by which the log-odds move where its cell is blanked.

    Taken over records drawn column by column from `cases`, those that have the cell: a training case may be known by
    heart, a drawn one is not. The image descriptors are drawn as a whole. A late fusion has the largest shift among its
    members, which joined answers hardly exceed. A model that reads images beside the record is left out: nothing is
    known of its fields.
    """
    if isinstance(model, FittedTransferred):
        return field_shifts(model.source, cases, image_descriptors)
    if isinstance(model, FittedLateFusion):
        found: dict[str, float] = {}
        for member in model.members.values():
            for name, shift in field_shifts(member, cases, image_descriptors).items():
                found[name] = max(shift, found.get(name, 0.0))
        return found
    if model.image_inputs or not model.record_columns:
        return {}
    rng = np.random.default_rng(0)
    some = cases.iloc[:MOST_CASES].reset_index(drop=True)
    drawn = some.assign(**{name: some[name].to_numpy()[rng.permutation(len(some))] for name in model.record_columns})
    descriptors = image_descriptors.assign(case_id=rng.permutation(image_descriptors["case_id"].to_numpy()))
    whole = log_odds(model.probabilities(CaseInputs(drawn, descriptors)))[:, -1]
    shifts = {}
    for name in model.record_columns:
        held = drawn[name].notna().to_numpy()
        if held.any():
            dtype = "float64" if COLUMN[name].kind is Kind.NUMBER else "str"
            blanked = drawn.assign(**{name: pd.Series([None] * len(drawn), dtype=dtype)})
            moved = log_odds(model.probabilities(CaseInputs(blanked, descriptors)))[:, -1] - whole
            shifts[name] = float(np.sqrt(np.square(moved[held]).mean()))
    return shifts
