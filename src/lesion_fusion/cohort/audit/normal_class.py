"""Cases without a lesion: left out, or a class that a mask and the record's wording give away."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from lesion_fusion.cohort.audit.findings import Finding, counted, finding, named
from lesion_fusion.cohort.schema import NOT_APPLICABLE, Role, columns_with_role
from lesion_fusion.cohort.study import Study


def normal_findings(cases: pd.DataFrame, study: Study) -> Iterator[Finding]:
    """Yield LF601 where the target leaves the normal cases out, LF602 where it asks for them."""
    normal = cases[cases["classification"] == "normal"]
    if normal.empty:
        return
    names = list(normal["case_id"])
    if "normal" not in study.classes:
        yield finding(
            "LF601",
            f"{counted(len(normal), 'normal case')} left out of the target {study.target}: {named(names)}.",
            cases=names,
        )
        return
    without_mask = int(normal["tumor_mask_file"].isna().sum())
    descriptors = [column.name for column in columns_with_role(Role.DESCRIPTORS)]
    given_away = [name for name in descriptors if (normal[name] == NOT_APPLICABLE).all()]
    yield finding(
        "LF602",
        f"Of {counted(len(normal), 'normal case')} {without_mask:,} have no mask, so that their masked image is black, "
        f"and {counted(len(given_away), 'descriptor')} of {len(descriptors)} are not applicable in all of them "
        f"({named(given_away) or 'none'}): either gives the class away without a look at the breast.",
        cases=names,
    )
