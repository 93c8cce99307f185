"""A site's own calibration of a model that was trained elsewhere: its share of malignant cases, or cases of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.optimize import minimize
from scipy.special import expit, logit

from lesion_fusion.errors import UserError
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds

# Fewer cases say too little of the intercept, fewer malignant ones of the threshold.
FEWEST_CASES = 20
FEWEST_MALIGNANT = 20
# How far from 1 the slope may lie, a standard deviation, before the site's cases say anything; and its bounds.
_SLOPE, _SLOPES = 0.5, (0.05, 20.0)


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

        Few cases leave the slope near 1. With enough malignant ones the threshold is found anew, otherwise it stays the
        same risk. Raises `SiteError` for fewer than `FEWEST_CASES`.
        """
        malignant = int(labels.sum())
        if len(labels) < FEWEST_CASES:
            raise SiteError(f"{len(labels)} whole cases are too few to calibrate on: {FEWEST_CASES} are needed.")
        scores = log_odds(probabilities)
        calibration = _fitted(scores[:, 0], labels)
        shift = 0.0
        if malignant >= FEWEST_MALIGNANT:
            own = decision_threshold(calibration.probabilities(scores), labels, minimum_sensitivity)
            shift = float(logit(own) - logit(threshold))
        origin = f"{name}: intercept and slope fitted on {len(labels)} cases, {malignant} of them malignant"
        origin += ", threshold too" if shift else ""
        return cls(name=name, calibration=calibration.to_json(), threshold_shift=shift, origin=origin)


def _fitted(position: np.ndarray, labels: np.ndarray) -> Calibration:
    """Return the map of log-odds (n,), half a case of each class added at their mean, the slope drawn towards 1."""
    centre = position.mean()
    moved = np.append(position, [centre, centre]) - centre
    outcome, weights = np.append(labels, [0, 1]), np.append(np.ones(len(labels)), [0.5, 0.5])

    def loss(found: np.ndarray) -> float:
        odds = found[0] + found[1] * moved
        misfit = float(weights @ (np.logaddexp(0, odds) - outcome * odds))
        return misfit + ((found[1] - 1) / _SLOPE) ** 2 / 2

    level, slope = minimize(loss, [centre, 1.0], method="L-BFGS-B", bounds=[(None, None), _SLOPES]).x
    # Of intercept and slope over the site's own log-odds, `level` being those at the mean.
    own = np.column_stack([np.ones(len(moved)), slope * moved])
    risks = expit(level + slope * moved)
    known = own.T @ ((weights * risks * (1 - risks))[:, None] * own) + np.diag([0, (slope / _SLOPE) ** 2])
    back = np.array([[1, -level], [0, 1]])
    return Calibration(np.array([[slope]]), np.array([level - slope * centre]), back @ np.linalg.inv(known) @ back.T)
