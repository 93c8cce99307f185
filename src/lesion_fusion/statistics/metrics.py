"""The one registry of metrics, for leaderboard, MLflow and report; docs/reference/metrics.md describes them.

A metric that is not defined for the cases given is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lesion_fusion.statistics import weighted
from lesion_fusion.statistics.weighted import Bools, Floats, Indices, ratio


@dataclass(frozen=True)
class Sample:
    """Predictions of n cases and b weightings of them.

    `labels` and `decisions` (n,) are class indices, `probabilities` (n, classes) sum to 1, `weights` are (n, b).
    """

    labels: Indices
    probabilities: Floats
    decisions: Indices
    weights: Floats

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.probabilities.shape[1]

    @cached_property
    def table(self) -> Floats:
        """The confusion matrices (label, decision, b)."""
        return weighted.confusion(self.labels, self.decisions, self.classes, self.weights)

    @cached_property
    def right(self) -> Floats:
        """The weight of the cases of each class that are decided rightly (classes, b)."""
        return np.einsum("kkb->kb", self.table)

    @cached_property
    def recall(self) -> Floats:
        """The share of each class that is decided rightly (classes, b)."""
        return ratio(self.right, self.table.sum(axis=1))


@dataclass(frozen=True)
class Metric:
    """A number that describes a model's predictions.

    `value` gives it (b,) under weights; `perfect` is its value for a perfect model; `share_of` says of a share which
    cases (n,) it is a share of. A metric that is not `tabulated` stands in a model's own section, not in its family's.
    """

    label: str
    value: Callable[[Sample], Floats]
    perfect: int
    digits: int = 3
    share_of: Callable[[Sample], Bools] | None = None
    of_two_classes: bool = False
    tabulated: bool = True


def _brier(sample: Sample) -> Floats:
    errors = (sample.probabilities - np.eye(sample.classes)[sample.labels]) ** 2
    return weighted.mean(errors[:, 1] if sample.classes == 2 else errors.sum(axis=1), sample.weights)


def _log_loss(sample: Sample) -> Floats:
    own = sample.probabilities[np.arange(len(sample.labels)), sample.labels]
    return weighted.mean(-np.log(np.clip(own, np.finfo(np.float64).eps, 1.0)), sample.weights)


def _expected_calibration_error(sample: Sample) -> Floats:
    if sample.classes == 2:
        correct, confidence = sample.labels == 1, sample.probabilities[:, 1]
    else:
        correct, confidence = sample.probabilities.argmax(axis=1) == sample.labels, sample.probabilities.max(axis=1)
    return weighted.expected_calibration_error(correct.astype(np.float64), confidence, sample.weights)


def _f1_of_classes(sample: Sample) -> Floats:
    # Twice the agreement over what was so labelled plus what was so decided.
    return ratio(2 * sample.right, sample.table.sum(axis=1) + sample.table.sum(axis=0))


def _f1(sample: Sample) -> Floats:
    return _f1_of_classes(sample)[1] if sample.classes == 2 else macro_f1(sample)


def macro_f1(sample: Sample) -> Floats:
    """Return the mean (b,) of F1 over the classes, also of two."""
    return _f1_of_classes(sample).mean(axis=0)


def _predictive_value(sample: Sample, decision: int) -> Floats:
    return ratio(sample.table[decision, decision], sample.table[:, decision].sum(axis=0))


def _pooled(metric: Callable[[Bools, Floats, Floats], Floats]) -> Callable[[Sample], Floats]:
    """Return `metric` of the second of two classes, or its mean (b,) over more classes, each against the rest."""

    def value(sample: Sample) -> Floats:
        classes = [1] if sample.classes == 2 else range(sample.classes)
        found = [metric(sample.labels == k, sample.probabilities[:, k], sample.weights) for k in classes]
        return found[0] if sample.classes == 2 else np.mean(found, axis=0)

    return value


def _share(label: str, value: Callable[[Sample], Floats], share_of: Callable[[Sample], Bools]) -> Metric:
    return Metric(label, value, 1, share_of=share_of, of_two_classes=True)


METRICS: Mapping[str, Metric] = {
    "auroc": Metric("AUROC", _pooled(weighted.auroc), 1),
    "average_precision": Metric("Average precision", _pooled(weighted.average_precision), 1),
    "brier": Metric("Brier score", _brier, 0),
    "log_loss": Metric("Log loss", _log_loss, 0, tabulated=False),
    "calibration_slope": Metric(
        "Calibration slope", _pooled(weighted.calibration_slope), 1, digits=2, of_two_classes=True
    ),
    "calibration_intercept": Metric(
        "Calibration intercept", _pooled(weighted.calibration_intercept), 0, digits=2, of_two_classes=True
    ),
    "expected_calibration_error": Metric("Expected calibration error", _expected_calibration_error, 0, tabulated=False),
    "sensitivity": _share("Sensitivity", lambda s: s.recall[1], lambda s: s.labels == 1),
    "specificity": _share("Specificity", lambda s: s.recall[0], lambda s: s.labels == 0),
    "ppv": _share("PPV", lambda s: _predictive_value(s, 1), lambda s: s.decisions == 1),
    "npv": _share("NPV", lambda s: _predictive_value(s, 0), lambda s: s.decisions == 0),
    "accuracy": Metric(
        "Accuracy",
        lambda s: ratio(s.right.sum(axis=0), s.table.sum(axis=(0, 1))),
        1,
        share_of=lambda s: np.ones(len(s.labels), dtype=bool),
    ),
    "balanced_accuracy": Metric("Balanced accuracy", lambda s: s.recall.mean(axis=0), 1, tabulated=False),
    "f1": Metric("F1", _f1, 1),
}


def metrics_for(classes: int) -> dict[str, Metric]:
    """Return the metrics given for a number of classes, in the order of tables."""
    return {name: metric for name, metric in METRICS.items() if classes == 2 or not metric.of_two_classes}


def tabulated_metrics() -> list[str]:
    """Return the names of the metrics that stand in the tables of families."""
    return [name for name, metric in METRICS.items() if metric.tabulated]
