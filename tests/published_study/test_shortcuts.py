"""What the shortcuts do on a cohort where benign and malignant cannot be told apart."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import Judge, point_metrics
from lesion_fusion.evaluation.predictions import as_arrays
from lesion_fusion.published_study.comparison import (
    ALL,
    compare_protocols,
    gain_by_shortcuts,
    luck_of_one_test_set,
    metrics_with_intervals,
)
from lesion_fusion.published_study.evaluation import (
    UNDER_PREDICTED,
    Cell,
    Reproduction,
    cells_of,
    of_cell,
)
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.protocol import DRAWN_OUTLINES, SHORTCUTS, Protocol
from tests.published_study.toy import toy_article, toy_parameters, toy_reproduction


@cache
def reproduction() -> Reproduction:
    return toy_reproduction()


@cache
def predictions() -> pd.DataFrame:
    return pd.concat([evaluated("clinical.random_forest"), evaluated("imaging.nearest")], ignore_index=True)


def evaluated(name: str) -> pd.DataFrame:
    table = reproduction().evaluate(name)["predictions"]
    return table[table["part"] == "predictions"].drop(columns="part").reset_index(drop=True)


def judge() -> Judge:
    return Judge(reproduction().rows.drop_duplicates("case_id"), 200)


def figures(model: str, protocol: Protocol, permuted: bool = False) -> dict[str, tuple[float, float, float]]:
    table = of_cell(predictions(), model, Cell(protocol, permuted).name)
    return metrics_with_intervals(table, judge())


@pytest.mark.medium
def test_copies_on_both_sides_of_the_split_are_recognised_where_there_is_nothing_to_learn():
    leaking = figures("imaging.nearest", Protocol.of("augment_before_split"))
    assert leaking["auroc"][1] > 0.55
    honest = figures("imaging.nearest", Protocol.of())
    assert honest["auroc"][1] <= 0.5 <= honest["auroc"][2]


@pytest.mark.medium
def test_the_whole_protocol_scores_far_above_chance_on_permuted_labels_and_the_leak_free_one_does_not():
    paper = figures("imaging.nearest", Protocol(), permuted=True)
    assert paper["accuracy"][1] > 1 / 3 + 0.15
    for model in ("imaging.nearest", "clinical.random_forest"):
        honest = figures(model, Protocol.of(), permuted=True)
        assert honest["auroc"][1] <= 0.5 <= honest["auroc"][2]


@pytest.mark.medium
def test_outcome_columns_give_the_class_away_to_the_record_alone():
    assert figures("clinical.random_forest", Protocol.of("outcome_columns"))["auroc"][0] > 0.99
    honest = figures("clinical.random_forest", Protocol.of())["auroc"]
    assert honest[1] <= 0.5 <= honest[2]
    assert of_cell(predictions(), "imaging.nearest", "outcome_columns").empty


@pytest.mark.medium
def test_normal_cases_are_given_away_and_lesions_are_not():
    found = figures("clinical.random_forest", Protocol.of("masked_normal_images"))
    table = of_cell(predictions(), "clinical.random_forest", "masked_normal_images")
    classes = ["p_normal", "p_benign", "p_malignant"]
    decided = table[classes].idxmax(axis=1).str.removeprefix("p_")
    assert (decided[table["label"] == "normal"] == "normal").all()
    assert found["lesion_auroc"][1] <= 0.5 <= found["lesion_auroc"][2]
    assert found["auroc"][0] > figures("clinical.random_forest", Protocol.of())["auroc"][0] + 0.1


@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_outcome_columns_reach_a_model_by_their_own_switch_alone(shortcut: str):
    name = "clinical.random_forest"
    trial = reproduction().trial(name, Cell(Protocol.of(shortcut)))
    columns = trial.features(toy_parameters().entries[name], None).columns
    outcome = [name for name in columns if name.partition(":")[0] in {"verification", "diagnosis", "classification"}]
    assert bool(outcome) == (shortcut == "outcome_columns")
    assert "classification" not in outcome


def test_the_class_itself_is_never_let_in():
    with pytest.raises(ValueError, match="classification cannot be allowed"):
        toy_parameters(outcome_columns=["classification"])


def test_every_model_is_evaluated_reproduced_leak_free_and_without_a_signal():
    parameters = toy_parameters(compared=["clinical.random_forest"])
    assert "outcome_columns" not in [cell.name for cell in cells_of("imaging.nearest", toy_parameters())]
    few = [cell.name for cell in cells_of("imaging.nearest", parameters)]
    assert few == ["paper", "leak-free", "paper, labels permuted"]
    assert {cell.name for cell in cells_of("clinical.random_forest", parameters)} == {
        *few,
        *SHORTCUTS,
        "leak-free, labels permuted",
    }


@pytest.mark.medium
def test_the_tables_hold_each_models_figures():
    network = {"name": "a network", "here": ["imaging.nearest"], "accuracy": {"text": "90 %", "table 1": "0.8"}}
    parameters, article = toy_parameters(), toy_article(figures={"imaging": {"network": network}})
    comparison = compare_protocols(predictions(), judge(), parameters, article)
    nearest = comparison[comparison["model"] == "nearest"].set_index("metric")
    assert nearest.loc["accuracy", "published"] == 0.9
    assert comparison["published"].notna().sum() == 1
    assert nearest.loc["auroc", "leak_free"] == figures("imaging.nearest", Protocol.of())["auroc"][0]
    gains = gain_by_shortcuts(predictions(), judge(), parameters)
    assert (gains["adds"] - (gains["with_shortcut"] - gains["leak_free"])).abs().max() < 1e-12
    seen_by_images = gains[gains["family"] == "imaging"]["shortcut"].unique()
    assert set(seen_by_images) == {*SHORTCUTS, ALL} - {"outcome_columns"}


def prices_of_drawn_outlines(under_drawn: np.ndarray, under_predicted: np.ndarray) -> pd.DataFrame:
    """The price where the first image descriptor is the one or the other, by metric."""
    rows, own = reproduction().rows, reproduction().descriptors
    first = own.columns[1]
    lesions = (~rows["permuted"] & (rows["label"] != "normal")).to_numpy()
    seen = own[lesions].assign(**{first: under_predicted[lesions]}).reset_index(drop=True)
    changed = replace(
        reproduction(),
        descriptors=own.assign(**{first: under_drawn}),
        predicted_outlines=(np.zeros((len(seen), 4, 4, 2), dtype="uint8"), seen),
    )
    table = changed.evaluate("imaging.nearest")["predictions"]
    tested = table[table["part"] == "predictions"].drop(columns="part")
    gains = gain_by_shortcuts(tested, judge(), toy_parameters(compared=["imaging.nearest"]))
    return gains[gains["shortcut"] == DRAWN_OUTLINES].set_index("metric")


@pytest.mark.medium
def test_a_hand_that_knows_the_class_has_its_price_and_one_that_does_not_has_none():
    rows, own = reproduction().rows, reproduction().descriptors
    blind = own[own.columns[1]].to_numpy()
    told = np.where(rows["label"] == "malignant", 20.0, -20.0)
    price = prices_of_drawn_outlines(told, blind).loc["auroc"]
    assert price["adds_low"] > 0.2
    assert price["with_shortcut"] > 0.95
    assert prices_of_drawn_outlines(blind, blind).loc["auroc", "adds"] == 0


def test_predicted_outlines_are_for_models_of_the_image_alone():
    assert UNDER_PREDICTED in cells_of("imaging.nearest", toy_parameters(), predicted_outlines=True)
    assert UNDER_PREDICTED not in cells_of("clinical.random_forest", toy_parameters(), predicted_outlines=True)
    assert UNDER_PREDICTED not in cells_of("imaging.nearest", toy_parameters())


@pytest.mark.medium
def test_the_luck_of_one_test_set_starts_with_the_one_reported():
    luck = luck_of_one_test_set(predictions(), toy_parameters())
    first = luck[(luck["model"] == "nearest") & (luck["test_set"] == 1)].set_index("metric")["value"]
    reported = point_metrics(as_arrays(of_cell(predictions(), "imaging.nearest", "single_test_set")), METRICS)
    assert first.to_dict() == pytest.approx(reported)
    assert sorted(luck["test_set"].unique()) == [1, 2, 3]


@pytest.mark.medium
def test_the_same_seed_gives_the_same_predictions():
    again = evaluated("imaging.nearest")
    first = predictions()[predictions()["model"] == "nearest"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, first[again.columns], check_exact=True)
