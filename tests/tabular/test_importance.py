"""Permutation importance: what a classifier can't use drops nothing, and shuffling raw cells gives the same figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from lesion_fusion.tabular.out_of_fold import evaluate_nested, importance_summary, permutation_importance
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.tuning import TunedClassifier, tune
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, Study, toy_study

GROUPS = {"image_descriptor_area": "image", "image_descriptor_entropy": "image"}


def tuned_on(study: Study, model: ClassifierParameters = LINEAR, labels: np.ndarray | None = None) -> TunedClassifier:
    given = study.positions() if labels is None else labels
    groups = study.cases["patient_id"].to_numpy()
    return tune(study.features, given, groups, model, TUNING, given.max() + 1, 3)


def of_columns(table: pd.DataFrame) -> dict[str, float]:
    return dict(zip(table["column"], table["drop"], strict=True))


@pytest.mark.medium
@pytest.mark.parametrize(
    ("model", "n_classes"), [(LINEAR, 2), (TREE, 2), (LINEAR, 3)], ids=["linear", "tree", "three classes"]
)
def test_a_column_is_worth_what_shuffling_its_raw_cells_costs(model: ClassifierParameters, n_classes: int):
    study = toy_study(120, signal=0.8, seed=2)
    labels = study.positions()
    if n_classes == 3:
        labels = labels + (study.features["age"].fillna(0).to_numpy() > 70) * (labels == 1)
    tuned = tuned_on(study, model, labels)
    found = of_columns(permutation_importance(tuned, study.features, labels, GROUPS, 5))

    def score(features: pd.DataFrame) -> float:
        probabilities = tuned.probabilities(features)
        if n_classes == 2:
            return float(roc_auc_score(labels, probabilities[:, 1]))
        return -float(log_loss(labels, probabilities))

    rng = np.random.default_rng(0)
    for column, raw in {"age": ["age"], "shape": ["shape"], "image": list(GROUPS)}.items():
        drops = []
        for _ in range(20):
            shuffled = study.features.copy()
            shuffled[raw] = study.features[raw].iloc[rng.permutation(120)].to_numpy()
            drops.append(score(study.features) - score(shuffled))
        # Three shuffles against twenty: standard error of the difference, with room.
        assert found[column] == pytest.approx(np.mean(drops), abs=4 * np.std(drops) * np.sqrt(1 / 3 + 1 / 20) + 1e-9)


def test_a_column_that_the_classifier_can_not_use_drops_exactly_nothing():
    study = toy_study(80, signal=2.0)
    features = study.features.assign(image_descriptor_entropy=1.0)
    tuned = tuned_on(Study(study.cases, features, study.folds), TREE)
    drops = of_columns(permutation_importance(tuned, features, study.positions(), {}, 0))
    assert drops["image_descriptor_entropy"] == 0
    assert max(drops.values()) > 0.05


def test_test_cases_of_one_class_have_no_importance():
    study = toy_study(60)
    benign = study.positions() == 0
    table = permutation_importance(tuned_on(study), study.features[benign], study.positions()[benign], {}, 0)
    assert table["drop"].isna().all()


@pytest.mark.medium
def test_every_outer_fold_gives_a_row_a_column_and_the_seed_decides():
    study = toy_study(90, signal=2.0)

    def importance(seed: int) -> pd.DataFrame:
        return evaluate_nested(
            lambda *_: study.features, study.cases, study.folds, CLASSES, LINEAR, TUNING, seed, GROUPS
        ).permutation_importance

    table = importance(1)
    assert list(table) == ["repeat", "fold", "column", "drop"]
    assert table.groupby(["repeat", "fold"])["column"].apply(list).tolist() == [["age", "shape", "image"]] * 3
    pd.testing.assert_frame_equal(table, importance(1), check_exact=True)
    assert not table["drop"].equals(importance(2)["drop"])
    assert importance_summary(table, 0.95)["column"].iloc[-1] == "shape"


def test_the_interval_is_that_of_the_corrected_resampled_t_test():
    drops = np.array([0.1, 0.2, 0.3, 0.2])
    table = pd.DataFrame({"repeat": [0, 0, 1, 1], "fold": [0, 1, 0, 1], "column": "age", "drop": drops})
    (row,) = importance_summary(table, 0.95).to_dict("records")
    # Two folds: as many cases tested as trained on; 3 degrees of freedom: 3.182.
    half = 3.1824 * np.sqrt(drops.var(ddof=1) * (1 / 4 + 1))
    assert row["drop"] == pytest.approx(0.2)
    assert row["drop_high"] - 0.2 == pytest.approx(half, rel=1e-4)
    assert 0.2 - row["drop_low"] == pytest.approx(half, rel=1e-4)
