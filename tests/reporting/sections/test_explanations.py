from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.reporting.sections.explanations import explained_cases


def test_the_highest_middle_and_lowest_risk_are_told_with_what_moved_them() -> None:
    contributions = {"a": (0.1, 0.2), "b": (2.0, -0.5), "c": (-1.0, -2.0)}
    values = pd.DataFrame(
        [
            {"case_id": case, "column": column, "value": value, "contribution": contribution}
            for case, both in contributions.items()
            for column, value, contribution in (("age", "61.0", both[0]), ("signs", "palpable&warmth", both[1]))
        ]
    ).assign(model="m", label="benign", base=0.5)
    (found,) = explained_cases(values).values()
    assert [case.case_id for case in found] == ["b", "a", "c"]
    assert found[0].risk == pytest.approx(1 / (1 + 2.718281828**-2.0))
    assert found[0].raised == ["age (61) +2.00"]
    assert found[0].lowered == ["signs (palpable, warmth) −0.50"]
    assert found[2].raised == []
    assert found[2].lowered == ["signs (palpable, warmth) −2.00", "age (61) −1.00"]


def test_missing_cells_are_told_and_groups_of_image_columns_have_no_cell() -> None:
    values = pd.DataFrame({"column": ["age", "image: shape"], "value": None, "contribution": [1.0, 0.5]})
    (found,) = explained_cases(values.assign(model="m", case_id="a", label="benign", base=0.0)).values()
    assert found[0].raised == ["age (missing) +1.00", "image: shape +0.50"]
