"""Join the checked record and the measured files into `cases`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from lesion_fusion.cohort.defects import CohortError, Defect
from lesion_fusion.cohort.schema import COLUMNS

OnDefect = Literal["stop", "exclude"]


def assemble_cases(
    record: pd.DataFrame, sizes: pd.DataFrame, defects: Sequence[Defect], on_defect: OnDefect
) -> pd.DataFrame:
    """Return `cases`: the record with image_width and image_height, sorted by case_id.

    With `on_defect` "stop" any defect raises `CohortError`, which lists them all. With "exclude" the cases with a
    defect are left out; a defect that concerns no single case stops all the same, and so does a cohort left empty.
    """
    of_table = [defect for defect in defects if not defect.case_id]
    if of_table or (defects and on_defect == "stop"):
        raise CohortError(defects)
    excluded = {defect.case_id for defect in defects}
    kept = record[~record["case_id"].isin(excluded)]
    if kept.empty:
        raise CohortError(defects or [Defect("empty cohort", "the table has no row", "use the sheet as published")])
    # A case listed twice was measured twice; it is excluded on both sides.
    measured = sizes[~sizes["case_id"].isin(excluded)]
    cases = kept.merge(measured, on="case_id", how="left", validate="one_to_one")
    cases[["image_width", "image_height"]] = cases[["image_width", "image_height"]].astype("float64")
    return cases[[column.name for column in COLUMNS]].sort_values("case_id", ignore_index=True)
