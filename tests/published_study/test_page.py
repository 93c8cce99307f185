"""What the answer says of the tables."""

from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.published_study.comparison import comparison_columns
from lesion_fusion.published_study.page import statements
from tests.published_study.toy import toy_parameters

NOTHING = pd.DataFrame()


def compared(accuracies: dict[str, float]) -> pd.DataFrame:
    """The comparison of clinical models with these accuracies as reproduced; all else is 0.5."""
    rows = [
        {"family": "clinical", "model": model, "metric": metric}
        | {f"{column}{end}": 0.5 for column in comparison_columns(toy_parameters()) for end in ("", "_low", "_high")}
        | ({"reproduced": accuracy} if metric == "accuracy" else {})
        for model, accuracy in accuracies.items()
        for metric in ("accuracy", "macro_f1", "auroc", "lesion_auroc")
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("accuracies", "said", "others"),
    [
        (
            {"a": 0.8, "b": 0.9, "c": 0.9, "d": 0.9},
            "one of the most accurate models, clinical.b,",
            "clinical.c and clinical.d",
        ),
        ({"a": 0.8, "b": 0.9}, "the most accurate model, clinical.b,", None),
    ],
)
def test_the_most_accurate_model_is_named_with_those_it_ties(accuracies: dict, said: str, others: str | None):
    statement = statements(compared(accuracies), NOTHING, NOTHING, toy_parameters())[0]
    assert said in statement.headline
    if others is None:
        assert "As accurate" not in statement.detail
    else:
        assert f"As accurate as reproduced: {others}." in statement.detail
