"""What an article's parameters may say; and that the shipped ones have all figures of the article, each once."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from lesion_fusion.published_study.article import Article, PublishedModel, printed_value, rounding
from tests.config.resolved import configured
from tests.conftest import ROOT
from tests.published_study.toy import toy_article

METRICS = {"accuracy": "accuracy", "F1": "macro_f1", "AUC": "auroc"}


@cache
def article() -> Article:
    return configured("breast_lesions_usg").article


@cache
def entries() -> set[str]:
    return set(configured("breast_lesions_usg").paper_reproduction.entries)


def models() -> list[PublishedModel]:
    return [model for family in article().figures.values() for model in family.values()]


def numbers(value: Any) -> set[float]:
    """Return the numbers in a text, or in anything below a group of parameters; not those in a name as DenseNet121."""
    return {float(one) for one in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", str(value))}


def written() -> list[dict[str, Any]]:
    """Return the contradictions as they stand in the file."""
    text = (ROOT / "conf" / "breast_lesions_usg" / "article" / "parameters.yml").read_text()
    # Without the interpolation of Kedro's loader, which the article's part does not use.
    return yaml.safe_load(text)["article"]["contradictions"]


def reporting(statement: str = "", **metrics: dict[str, str]) -> dict:
    """An article that reports one model, and a statement on it."""
    return {
        "figures": {"clinical": {"forest": {"name": "forest", "here": ["clinical.random_forest"], **metrics}}},
        "contradictions": [{"subject": "a", "statement": statement, "where": "b"}],
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (reporting(acuracy={"table 2": "0.9"}), ["figures.clinical.forest.acuracy", "accuracy"]),
        (reporting(accuracy={"table 2": "96"}), ["accuracy.table 2", "match"]),
        (reporting("{clinical[forest].auroc[table 3]}"), ["contradictions", "not there", "table 3"]),
        ({"figures": {"pathology": {}}}, ["'clinical', 'imaging', 'fusion' or 'others'"]),
        ({"exhibits": [{"number": "plate 1", "shows": "a", "kind": "classes"}]}, ["number", "table"]),
        ({"exhibits": [{"number": "figure 1", "shows": "a", "kind": "bars"}]}, ["figure 1", "models"]),
    ],
)
def test_what_does_not_fit_is_told_in_words(values: dict, words: list[str]):
    with pytest.raises(ValidationError) as error:
        toy_article(**values)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("printed", "number", "half_a_digit"),
    [("0.989247", 0.989247, 5e-7), ("1.0", 1.0, 0.05), ("approximately 73.5 %", 0.735, 5e-4), (">0.95", None, 0.005)],
)
def test_a_printed_metric_is_a_number_unless_it_is_a_range_or_a_bound(
    printed: str, number: float | None, half_a_digit: float
):
    assert printed_value(printed) == number
    assert rounding(printed) == pytest.approx(half_a_digit)


@pytest.mark.medium
def test_every_table_and_figure_has_a_counterpart_of_models_that_exist():
    numbers = [exhibit.number for exhibit in article().exhibits]
    assert sorted(numbers) == sorted(
        [*(f"table {number}" for number in (1, 2, 4, 5)), *(f"figure {number}" for number in range(1, 21))]
    )
    for exhibit in article().exhibits:
        named = {name for name in exhibit.models if "." in name}
        assert named <= entries(), exhibit.number
        assert not exhibit.models or exhibit.chosen(entries()), exhibit.number


def test_every_published_model_is_held_against_models_that_exist_or_says_why_not():
    for model in models():
        assert bool(model.here) != bool(model.not_run), model.name
        assert set(model.here) <= entries(), model.name


def test_matrices_are_square_and_give_their_own_accuracy():
    for matrix in [model.matrix for model in models() if model.matrix]:
        assert {len(matrix.classes), *map(len, matrix.rows)} == {len(matrix.rows)}
    network = article().figures["imaging"]["densenet_sgd"].matrix
    assert network is not None
    assert (network.right, network.cases) == (72, 93)
    assert "72 of 93 right, 77.4%" in article().contradictions[0].statement


def test_statements_name_figures_and_do_not_type_them_again():
    for one, filled in zip(written(), article().contradictions, strict=True):
        assert not re.search(r"\d\.\d|\d ?%", re.sub(r"\{[^}]*\}", "", one["statement"])), one["subject"]
        assert not re.search(r"[{}]", filled.statement), one["subject"]


@pytest.fixture(scope="module")
def transcript() -> str:
    """The figures copied from the article, beside the data."""
    if "LESION_FUSION_DATA" not in os.environ:
        pytest.skip("LESION_FUSION_DATA is not set")
    path = Path(os.environ["LESION_FUSION_DATA"]).parent / "paper" / "figures.md"
    if not path.exists():
        pytest.skip("figures.md, the figures copied from the article, is not beside the data")
    return path.read_text()


def rows(transcript: str) -> list[dict[str, str]]:
    """Return the rows of all tables of a Markdown text, by column."""
    lines = [line.strip("| ").split(" | ") for line in transcript.splitlines() if line.startswith("| ")]
    found: list[dict[str, str]] = []
    header: list[str] = []
    for line in lines:
        if {"accuracy", "AUC"} <= set(line):
            header = line
        else:
            found.append(dict(zip(header, line, strict=True)))
    return found


@pytest.mark.real_data
def test_every_figure_of_the_transcript_is_configured(transcript: str):
    by_name = {model.name: model for model in models()}
    found = rows(transcript)
    assert len(found) > 20
    for row in found:
        strategy, name = row.get("strategy"), row.get("network", row.get("model", ""))
        model = by_name.pop(f"{strategy} fusion, {name}" if strategy else name)
        for column in METRICS.keys() & row.keys():
            printed = getattr(model, METRICS[column])
            assert numbers(row[column]) <= numbers(printed), (model.name, column)
            assert (row[column] == "–") == (not printed), (model.name, column)
        assert numbers(row) <= numbers(model), model.name
    assert set(by_name) == {model.name for model in article().figures["others"].values()}


@pytest.mark.real_data
def test_matrices_and_other_studies_are_those_of_the_transcript(transcript: str):
    (line,) = re.findall(r"^Confusion matrix of DenseNet121 .*: (\d.*)\.$", transcript, flags=re.MULTILINE)
    network = article().figures["imaging"]["densenet_sgd"].matrix
    assert network is not None
    assert [[int(n) for n in row.split()] for row in line.split("|")] == [list(row) for row in network.rows]
    ((right, also_right, wrong, also_wrong),) = re.findall(
        r"figure 20: (\d+) and (\d+) right, (\d+) and (\d+) wrong", transcript
    )
    fused = article().figures["fusion"]["late_gradient_boosting"].matrix
    assert fused is not None
    assert [[int(right), int(wrong)], [int(also_wrong), int(also_right)]] == [list(row) for row in fused.rows]
    (line,) = re.findall(r"^Table 5 sets beside them: (.*)$", transcript, flags=re.MULTILINE)
    others = article().figures["others"].values()
    assert numbers(line) == set().union(*(numbers(list(model.auroc.values())) for model in others))
