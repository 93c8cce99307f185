"""A site's own calibration of a model that was trained elsewhere: its share of malignant cases, or cases of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.optimize import brentq
from scipy.special import expit, logit

from lesion_fusion.errors import UserError
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds

# Fewer cases say too little of the intercept; fewer of a class too little of the slope, or of the threshold.
FEWEST_CASES = 20
FEWEST_OF_A_CLASS = 20
_FARTHEST = 30.0


class SiteError(UserError, ValueError):
    """Cases of a site that its calibration can't be fitted on."""


class Site(BaseModel, frozen=True):
    """A site's map from a model's log-odds to its own, `calibration` as JSON, and how it was found, in words.

    `threshold_shift`: by how much the threshold, a risk, is moved at the site, in log-odds.
    """

    name: str
    calibration: dict[str, Any]
    threshold_shift: float
    origin: str

    @property
    def map(self) -> Calibration:
        """The map."""
        return Calibration.from_json(self.calibration)

    @property
    def slope(self) -> float:
        """How far log-odds that lie one apart lie apart at the site."""
        return float(self.map.slope[0, 0])

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the site's probabilities (n, 2) of a model's."""
        return self.map.probabilities(log_odds(probabilities))

    def threshold(self, threshold: float) -> float:
        """Return the site's threshold in place of a model's."""
        return float(expit(logit(threshold) + self.threshold_shift))

    @classmethod
    def of_share(cls, name: str, share: float, training_share: float) -> Site:
        """Return the map to a site where this share of the lesions is malignant; the threshold stays the same risk."""
        calibration = Calibration(np.eye(1), np.array([logit(share) - logit(training_share)]))
        origin = f"{name}: {share:.0%} of the lesions malignant, as stated; {training_share:.0%} in training"
        return cls(name=name, calibration=calibration.to_json(), threshold_shift=0.0, origin=origin)

    @classmethod
    def of_cases(
        cls, name: str, probabilities: np.ndarray, labels: np.ndarray, threshold: float, minimum_sensitivity: float
    ) -> Site:
        """Return the map fitted on a model's `probabilities` (n, 2) of a site's cases, and their `labels` (n,), 0 or 1.

        The intercept alone, unless either class has enough cases for a slope; with enough malignant ones the threshold
        is found anew, otherwise it stays the same risk. Raises `SiteError` for fewer than `FEWEST_CASES`.
        """
        counts = np.bincount(labels, minlength=2)
        if len(labels) < FEWEST_CASES:
            raise SiteError(f"{len(labels)} whole cases are too few to calibrate on: {FEWEST_CASES} are needed.")
        scores = log_odds(probabilities)
        with_slope = bool(counts.min() >= FEWEST_OF_A_CLASS)
        calibration = Calibration.fit(scores, labels, 2) if with_slope else _intercept(scores[:, 0], counts)
        shift = 0.0
        if counts[1] >= FEWEST_OF_A_CLASS:
            own = decision_threshold(calibration.probabilities(scores), labels, minimum_sensitivity)
            shift = float(logit(own) - logit(threshold))
        fitted = "intercept and slope" if with_slope else "intercept"
        origin = f"{name}: {fitted} fitted on {len(labels)} cases, {counts[1]} of them malignant"
        origin += ", threshold too" if shift else ""
        return cls(name=name, calibration=calibration.to_json(), threshold_shift=shift, origin=origin)


def _intercept(position: np.ndarray, counts: np.ndarray) -> Calibration:
    """Return the shift of log-odds (n,) that makes them sum to the malignant cases, half a case of each class added."""
    share = (counts[1] + 0.5) / (counts.sum() + 1)
    shift = brentq(lambda one: expit(position + one).mean() - share, -_FARTHEST, _FARTHEST)
    risks = expit(position + shift)
    variance = 1 / float((risks * (1 - risks)).sum())
    return Calibration(np.eye(1), np.array([shift]), np.diag([variance, 0.0]))
