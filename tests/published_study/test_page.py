"""What the answer says of the tables."""

from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.published_study.comparison import comparison_columns
from lesion_fusion.published_study.page import agreement, headline, statements, verdict
from lesion_fusion.reporting.page import Statement
from tests.published_study.toy import toy_article, toy_parameters

NOTHING = pd.DataFrame()


ARTICLE = {
    "source": "an article",
    "figures": {
        "clinical": {
            "a": {"name": "forest", "here": ["clinical.a"], "accuracy": {"table 1": "0.97"}},
            "b": {"name": "boosting", "here": ["clinical.b"], "accuracy": {"table 1": "98.5 %", "text": "0.9"}},
        },
        "imaging": {"net": {"name": "network", "not_run": "too large", "auroc": {"text": "0.9"}}},
    },
}


def compared(accuracies: dict[str, float], **columns: float) -> pd.DataFrame:
    """The comparison of clinical models with these accuracies as reproduced; all else is 0.5, or as in `columns`."""
    rows = [
        {"family": "clinical", "model": model, "metric": metric}
        | {f"{column}{end}": 0.5 for column in comparison_columns(toy_parameters()) for end in ("", "_low", "_high")}
        | {"published": float("nan"), "chance": 0.1}
        | ({"reproduced": accuracy} if metric == "accuracy" else {})
        | columns
        for model, accuracy in accuracies.items()
        for metric in ("accuracy", "macro_f1", "auroc", "lesion_auroc")
    ]
    return pd.DataFrame(rows)


def said(comparison: pd.DataFrame, **article: object) -> list[Statement]:
    return statements(comparison, NOTHING, NOTHING, toy_parameters(), toy_article(**article))


@pytest.mark.parametrize(
    ("accuracies", "others"),
    [({"a": 0.8, "b": 0.9, "c": 0.9, "d": 0.9}, "clinical.c and clinical.d"), ({"a": 0.8, "b": 0.9}, None)],
)
def test_the_most_accurate_model_is_named_with_those_it_ties(accuracies: dict, others: str | None):
    statement = said(compared(accuracies))[0]
    assert "0.900 from the record (clinical.b)." in statement.headline
    if others is None:
        assert "As accurate" not in statement.detail
    else:
        assert f"As accurate: {others}." in statement.detail


def test_the_answer_starts_with_published_reproduced_and_leak_free_in_a_sentence_each():
    first, second, third, *_ = said(compared({"a": 0.8, "b": 0.9}, leak_free=0.6), **ARTICLE)
    assert first.headline == "The article reports an accuracy of up to 98.5 % from the record (boosting, table 1)."
    assert "published protocol" in second.headline
    assert "0.900 from the record (clinical.b)" in second.headline
    assert "the same models reach an accuracy of 0.600 from the record (clinical.b)" in third.headline
    assert "Without leaks" in third.headline


def test_what_the_run_lacks_is_not_spoken_of():
    assert not any("leak" in one.headline for one in said(compared({"a": 0.8}, leak_free=float("nan"))))
    assert not any("article" in one.headline for one in said(compared({"a": 0.8})))


@pytest.mark.parametrize(("published", "within"), [(0.97, True), (0.8 + 0.1 + 0.004, True), (0.8 + 0.1 + 0.006, False)])
def test_a_published_figure_is_reproduced_within_chance_and_half_its_last_digit(published: float, within: bool):
    accuracy = published - 0.09 if published == 0.97 else 0.8
    rows = compared({"a": accuracy})
    rows.loc[rows["metric"] == "accuracy", "published"] = published
    (one,) = agreement(rows, toy_article(**ARTICLE))
    assert one["within"] is within
    noted = {**ARTICLE["figures"]["clinical"]["a"], "note": "another model by design"}
    assert agreement(rows, toy_article(figures={"clinical": {"a": noted}})) == []


def test_the_headline_is_the_most_accurate_published_model_of_each_kind_that_has_a_counterpart():
    rows = compared({"a": 0.8, "b": 0.9}, leak_free=0.6)
    (row,) = headline(rows, toy_article(**ARTICLE))
    assert (row["model"], row["printed"], row["where"]) == ("clinical.b", "98.5 %", "boosting, table 1")
    assert (row["reproduced"].value, row["leak_free"].value) == (0.9, 0.6)
    assert headline(compared({"c": 0.8}), toy_article(**ARTICLE)) == []


def test_the_verdict_counts_what_is_reproduced_and_says_how_much_the_leaks_were_worth():
    rows = compared({"b": 0.9}, leak_free=0.65)
    rows.loc[rows["metric"] == "accuracy", "published"] = 0.985
    said = verdict(agreement(rows, toy_article(**ARTICLE)), headline(rows, toy_article(**ARTICLE)))
    assert said[0].startswith("Judged as the article judged, 1 of 1 of its figures come out here")
    assert said[1].endswith("by 0.250 to 0.250.")
    rows.loc[rows["metric"] == "accuracy", "published"] = 0.2
    said = verdict(agreement(rows, toy_article(**ARTICLE)), [])
    assert said == [
        "Judged as the article judged, 0 of 1 of its figures come out here, as nearly as two test sets of "
        "its size agree; not so: Accuracy of clinical.b."
    ]
    assert verdict([], []) == []
