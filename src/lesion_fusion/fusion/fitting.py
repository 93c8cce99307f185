"""Fit a late fusion on inner predictions: its rule, and on scores from outside the rule's own fit the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesion_fusion.cohort.folds import inner_folds
from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.fusion.rules import FittedRule, Mean, fit_rule
from lesion_fusion.tabular.calibration import Calibration, decision_threshold
from lesion_fusion.tabular.parameters import Tuning


@dataclass(frozen=True)
class FittedFusion:
    """A rule with its calibration and decision threshold."""

    rule: FittedRule
    calibration: Calibration
    threshold: float

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated joint probabilities, shape (n, k), of members' probabilities, shape (members, n, k)."""
        return self.calibration.probabilities(self.rule.scores(probabilities))


def as_it_is(probabilities: np.ndarray, thresholds: np.ndarray) -> tuple[FittedFusion, np.ndarray]:
    """Return the mean that nothing is fitted for, and its own probabilities (n, k) of the cases.

    `probabilities` (members, n, k); `thresholds` (members,), at whose mean it decides.
    """
    fusion = FittedFusion(Mean(), Calibration.identity(probabilities.shape[2]), float(thresholds.mean()))
    return fusion, fusion.probabilities(probabilities)


def fit_fusion(
    fusion: LateFusion, probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, tuning: Tuning, seed: int
) -> tuple[FittedFusion, np.ndarray]:
    """Return the fusion fitted on the members' inner predictions, and its own probabilities (n, k) of these cases.

    `probabilities` (members, n, k) are of cases no member saw, `labels` (n,) positions of classes, `groups` (n,) whose
    case it is. The rule is fitted on all cases; calibration and threshold on scores of rules fitted without the case,
    by cross-validation grouped by patient, for a rule that learned from a case is too sure of it. Raises
    `SmallCohortError` where a class has fewer than two patients.
    """
    n_classes = probabilities.shape[2]
    if any(len(np.unique(groups[labels == k])) < 2 for k in range(n_classes)):
        raise SmallCohortError(
            f"A late fusion learns from cases that all its members ({', '.join(fusion.members)}) predicted inside the "
            "training folds, and needs two patients of each class among them. Leave out the member that predicts few, "
            "such as a network with a small validation part, or use a larger cohort."
        )
    sensitivity = tuning.decision.minimum_sensitivity
    rule = fit_rule(fusion, probabilities, labels, sensitivity, seed)
    scores = np.empty_like(rule.scores(probabilities))
    for train, test in inner_folds(labels, groups, tuning.inner_folds, seed):
        without = fit_rule(fusion, probabilities[:, train], labels[train], sensitivity, seed)
        scores[test] = without.scores(probabilities[:, test])
    calibration = Calibration.fit(scores, labels, n_classes)
    calibrated = calibration.probabilities(scores)
    return FittedFusion(rule, calibration, decision_threshold(calibrated, labels, sensitivity)), calibrated
