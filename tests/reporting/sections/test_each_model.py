from __future__ import annotations

import pytest

from lesion_fusion.cohort.folds import make_folds
from lesion_fusion.cohort.study import study_cases
from lesion_fusion.evaluation.judge import per_fold
from lesion_fusion.reporting.sections.each_model import fold_rows, point_rows
from tests.reporting.toy import CLINICAL, FUSION, IMAGING, REFIT, toy_cases, toy_log, toy_predictions

PLACES = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (REFIT, REFIT)]


def test_the_best_points_are_told_with_how_often_they_were_chosen() -> None:
    rows = point_rows(toy_log(CLINICAL, PLACES))
    assert [(row.point, row.score, row.trainings, row.chosen) for row in rows] == [
        ("C 1", 0.8, 7, 7),
        ("C 0.1", 0.7, 7, 0),
    ]
    assert point_rows(toy_log(IMAGING, PLACES)) == point_rows(toy_log(FUSION, PLACES)) == []


@pytest.mark.parametrize(
    ("name", "settled"),
    [
        (CLINICAL, "C 1"),
        (IMAGING, "3 epochs, the best epoch 2 (validation loss 0.250)"),
        (FUSION, f"{CLINICAL} 0.25, {IMAGING} 0.75"),
    ],
)
def test_folds_tell_what_was_settled_in_them(name: str, settled: str) -> None:
    cases = study_cases(toy_cases(), "malignancy")
    folds = make_folds(cases, 3, 2, 1)
    predictions = toy_predictions(cases, folds, name, 1.0, 2, ("benign", "malignant"))
    rows = fold_rows(predictions, toy_log(name, PLACES))
    assert [row.settled for row in rows] == [settled] * 7
    assert [row.place for row in rows][::3] == ["repeat 1, fold 1", "repeat 2, fold 1", "all cases"]
    assert sum(row.n or 0 for row in rows) == 2 * len(cases)
    scores = per_fold(predictions)
    assert [row.auroc for row in rows[:-1]] == list(scores.loc[scores["metric"] == "auroc", "value"])
    assert rows[-1].auroc is None
