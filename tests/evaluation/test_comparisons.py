from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from lesion_fusion.evaluation.comparisons import compare_pairs

from .tables import binary_predictions, judge_of, simulated


@pytest.fixture(scope="module")
def tables() -> list[pd.DataFrame]:
    labels, weak = simulated(200, 1.0, seed=1)
    noise = np.random.default_rng(2).normal(size=200)
    strong = 1 / (1 + np.exp(-np.log(weak / (1 - weak)) - 1.5 * labels - 0.3 * noise))
    return [
        binary_predictions(labels, weak, model="weak"),
        binary_predictions(labels, strong, model="strong"),
        binary_predictions(labels, weak, model="weak_again", family="fusion"),
    ]


def test_a_better_model_is_found_better_by_both_tests(tables: list[pd.DataFrame]) -> None:
    pairs = [("clinical.strong", "clinical.weak"), ("fusion.weak_again", "clinical.weak")]
    found = compare_pairs(tables, pairs, judge_of(tables[0], 500))
    better, equal = found.iloc[0], found.iloc[1]
    assert better["difference"] == pytest.approx(better["estimate"] - better["reference_estimate"])
    assert 0 < better["low"] < better["difference"] < better["high"]
    assert better["p_holm"] < 0.001
    assert better["delong_p_holm"] < 0.001
    assert equal[["difference", "low", "high", "p", "delong_p"]].tolist() == [0, 0, 0, 1, 1]


def test_bootstrap_and_delong_agree_on_the_uncertainty_of_a_difference(tables: list[pd.DataFrame]) -> None:
    found = compare_pairs(tables, [("clinical.strong", "clinical.weak")], judge_of(tables[0], 4000)).iloc[0]
    by_delong = found["difference"] / norm.isf(found["delong_p"] / 2)
    by_bootstrap = found["difference"] / norm.isf(found["p"] / 2)
    assert by_bootstrap == pytest.approx(by_delong, rel=0.05)


def test_reversing_a_pair_reverses_the_difference(tables: list[pd.DataFrame]) -> None:
    pairs = [("clinical.strong", "clinical.weak"), ("clinical.weak", "clinical.strong")]
    there, back = compare_pairs(tables, pairs, judge_of(tables[0], 200)).to_dict("records")
    assert there["difference"] == -back["difference"]
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))
    assert there["p"] == pytest.approx(back["p"])


def test_models_are_compared_on_the_cases_they_share(tables: list[pd.DataFrame]) -> None:
    part = tables[1][tables[1]["case_id"] < "case0150"]
    pairs = [("clinical.strong", "clinical.weak")]
    found = compare_pairs([tables[0], part], pairs, judge_of(tables[0], 50))
    alone = compare_pairs([tables[0][:150], part], pairs, judge_of(tables[0], 50))
    assert found.loc[0, "n"] == 150
    pd.testing.assert_frame_equal(found, alone)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda table: table.assign(label="benign"), "label cases differently: case"),
        (lambda table: table.assign(case_id="other" + table["case_id"]), "no case in common"),
        (
            lambda table: table.assign(model="another"),
            r"No predictions of 'clinical.strong'; there are clinical.another",
        ),
        (lambda table: table.rename(columns={"p_benign": "p_a"}).assign(label="malignant"), "different classes"),
    ],
)
def test_what_cannot_be_compared_is_named(tables: list[pd.DataFrame], spoil, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare_pairs([tables[0], spoil(tables[1])], [("clinical.strong", "clinical.weak")], judge_of(tables[0]))
