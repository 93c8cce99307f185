"""What late fusion makes of members that know nothing, and of one that does beside one that does not."""

from __future__ import annotations

import pandas as pd
import pytest
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.out_of_fold import Member, fuse_out_of_fold

from lesion_fusion.statistics import delong
from tests.fusion.toy import CLASSES, TUNING, drawn_members

STRATEGIES = {
    "mean": {"rule": "mean"},
    "majority_vote": {"rule": "majority_vote"},
    "weighted": {"rule": "weighted"},
    "stacking by logistic regression": {"rule": "stacking", "classifier": "logistic_regression"},
    "stacking by gradient boosting": {"rule": "stacking", "classifier": "gradient_boosting"},
    "stacking by XGBoost": {"rule": "stacking", "classifier": "xgboost"},
}


def fused(strategy: str, members: dict[str, Member], cases: pd.DataFrame) -> pd.DataFrame:
    fusion = LateFusion(members=tuple(members), **STRATEGIES[strategy])
    return fuse_out_of_fold(members, cases, CLASSES, fusion, TUNING, 0).predictions


def auroc(predictions: pd.DataFrame, confidence: float = 0.95) -> tuple[float, float, float]:
    """The AUROC and its interval."""
    positive = (predictions["label"] == CLASSES[1]).to_numpy()
    scores = predictions["p_malignant"].to_numpy()[None, :]
    areas, covariance = delong.auroc_covariance(positive, [scores], predictions["case_id"].to_numpy(dtype=str))
    return float(areas[0]), *delong.auroc_interval(float(areas[0]), float(covariance[0, 0]), confidence)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_comes_of_members_that_know_nothing(strategy: str):
    seeds = range(3)
    corrected = 1 - 0.05 / (len(seeds) * len(STRATEGIES))
    for seed in seeds:
        predictions = fused(strategy, *drawn_members(0.0, 0.0, 0.0, n=150, seed=seed, n_folds=3))
        _, low, high = auroc(predictions, corrected)
        assert low <= 0.5 <= high


# A vote counts as much whoever casts it: it can't learn that one of two members knows nothing.
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "majority_vote"])
def test_a_member_that_knows_nothing_costs_no_more_than_a_hundredth(strategy: str):
    members, cases = drawn_members(1.5, 0.0, n=1000, seed=0, n_folds=2)
    alone, _, _ = auroc(members["m0"].predictions)
    both, _, _ = auroc(fused(strategy, members, cases))
    assert both > alone - 0.01
