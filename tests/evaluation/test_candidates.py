"""A candidate is kept for a gain that the paired test supports, and for nothing less."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.comparisons import keep_candidates
from lesion_fusion.evaluation.leaderboard import MUST_BEAT, best_of_each_family, leaderboard
from lesion_fusion.evaluation.promotion import PromotionRule, decide

from .tables import binary_predictions, judge_of

PLAIN, BETTER, SAME, WORSE = "clinical.plain", "clinical.better", "clinical.same", "clinical.worse"
TAGS = {"cohort": "toy", "cohort_digest": "a", "folds_digest": "b"}
RULE = PromotionRule(slope_low=0.001, slope_high=1000, implausible_auroc=1)


def tables() -> list[pd.DataFrame]:
    """Four models of 200 cases: one plain, one of thrice its signal, one as good, one of none."""
    rng = np.random.default_rng(4)
    positive = np.arange(200) % 2 == 1
    noise, own = rng.normal(size=200), rng.normal(size=200)
    scores = {
        PLAIN: positive + noise,
        BETTER: 3 * positive + noise,
        SAME: positive + noise + 0.05 * own,
        WORSE: 0.05 * positive + own,
    }
    return [
        binary_predictions(positive, 1 / (1 + np.exp(-score))).assign(family="clinical", model=name.split(".")[1])
        for name, score in scores.items()
    ]


@pytest.fixture(scope="module")
def predictions() -> list[pd.DataFrame]:
    return tables()


def kept(predictions: list[pd.DataFrame], must_beat: dict[str, str]) -> pd.DataFrame:
    return keep_candidates(predictions, must_beat, judge_of(predictions[0], 300)).set_index("model")


def test_only_a_supported_gain_keeps_a_candidate(predictions: list[pd.DataFrame]) -> None:
    found = kept(predictions, {BETTER: PLAIN, SAME: PLAIN, WORSE: PLAIN})
    assert found["kept"].to_dict() == {BETTER: True, SAME: False, WORSE: False}
    assert found.loc[SAME, "reason"].startswith("no gain")
    assert found.loc[WORSE, "reason"].startswith("a loss")
    assert found.loc[WORSE, "p_holm"] < 0.05
    assert kept(predictions, {PLAIN: WORSE})["kept"].all()


def test_no_candidate_gives_a_table_without_rows(predictions: list[pd.DataFrame]) -> None:
    assert list(kept(predictions, {}).columns) == list(kept(predictions, {SAME: PLAIN}).columns)


def lost(*models: str) -> pd.DataFrame:
    """The table of candidates, all of them not kept."""
    return pd.DataFrame({"model": models, "kept": False}).reindex(columns=["model", "kept", *MUST_BEAT])


def promoted(predictions: list[pd.DataFrame], not_kept: dict[str, str]) -> tuple[str, str, tuple[str, ...]]:
    board = leaderboard(predictions, judge_of(predictions[0], 300), PLAIN, lost(*not_kept))
    (decision,) = decide(board, {}, TAGS, RULE, {}, PLAIN, not_kept)
    return decision.model, decision.alias, decision.reasons


@pytest.mark.medium
def test_the_best_of_a_family_is_one_that_is_kept(predictions: list[pd.DataFrame]) -> None:
    def best(not_kept: list[str]) -> str:
        board = leaderboard(predictions, judge_of(predictions[0], 300), PLAIN, lost(*not_kept))
        assert board.set_index("model")["kept"].eq(False).sum() == len(not_kept)
        return best_of_each_family(board)["model"].item()

    assert best([]) == "better"
    assert best([BETTER]) in {"plain", "same"}
    assert best([PLAIN, BETTER, SAME, WORSE]) == "better"


@pytest.mark.medium
def test_a_candidate_not_kept_is_never_champion(predictions: list[pd.DataFrame]) -> None:
    assert promoted(predictions, {})[:2] == ("better", "champion")
    assert promoted(predictions, {BETTER: "no gain"})[0] in {"plain", "same"}
    everyone = dict.fromkeys((PLAIN, BETTER, SAME, WORSE), "no gain")
    model, alias, reasons = promoted(predictions, everyone)
    assert (model, alias) == ("better", "challenger")
    assert reasons == ("it is a candidate that is not kept, no gain",)
