"""The judge of all models, one a study: all draws are shared, and each metric of a model is resampled once.

With several repeats a metric is computed in each repeat over all its folds pooled, then averaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from lesion_fusion.evaluation.predictions import PredictionArrays, as_arrays, patient_ids
from lesion_fusion.parameters import Parameters
from lesion_fusion.statistics import bootstrap
from lesion_fusion.statistics.metrics import Metric, Sample, metrics_for
from lesion_fusion.statistics.weighted import Floats

Summary = dict[str, dict[str, float]]
"""Metrics by name, each {"estimate", "low", "high"}."""

# Draws of this many sets of cases are kept: all cases, and a few parts of them.
SETS_KEPT = 4


class Evaluation(Parameters):
    """Bootstrap resamples over patients, confidence of the intervals, and the simple baseline (`<family>.<model>`)."""

    resamples: int = Field(default=2000, ge=200)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    baseline: str

    def judge(self, cases: pd.DataFrame, seed: int, study: Mapping[str, str] | None = None) -> Judge:
        """Return the judge of models of `cases` (case_id, patient_id) in the study that `study` identifies."""
        patients = tuple(cases[["case_id", "patient_id"]].itertuples(index=False, name=None))
        return _judge(patients, self.resamples, self.confidence, seed, tuple(sorted((study or {}).items())))


@dataclass(frozen=True, eq=False)
class Judge:
    """Resamples of patients and what follows from them.

    `patients` has case_id and patient_id of every case; `confidence` is that of the percentile intervals, and
    1 - `confidence` the level of the tests. `study` is what tells the study from another, as tags of a tracked run.
    """

    patients: pd.DataFrame
    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0
    study: Mapping[str, str] = field(default_factory=dict)
    _weights: dict[tuple[int, bytes], NDArray[np.uint8]] = field(default_factory=dict, init=False, repr=False)
    _tables: dict[bytes, PredictionArrays] = field(default_factory=dict, init=False, repr=False)
    _metrics: dict[PredictionArrays, dict[Metric, Floats]] = field(default_factory=dict, init=False, repr=False)

    def __deepcopy__(self, memo: dict[int, object]) -> Judge:
        """Return the judge itself: a copy would draw everything again."""
        return self

    @property
    def model_tags(self) -> dict[str, str]:
        """The study as tags of one model: without the roles that models may read, of which each reads its own."""
        return {name: value for name, value in self.study.items() if name != "predictors"}

    def patient_ids(self, case_ids: NDArray[np.str_]) -> NDArray[np.str_]:
        """Return the patient of each case, as `predictions.patient_ids`."""
        return patient_ids(case_ids, self.patients)

    def arrays(self, predictions: pd.DataFrame) -> PredictionArrays:
        """Return a predictions table as arrays, checked once, as `predictions.as_arrays`."""
        # By content: what one node has drawn of a model, another that reads the model anew need not draw again.
        rows = pd.util.hash_pandas_object(predictions, index=False).to_numpy()
        key = hashlib.sha256(rows.tobytes() + repr(list(predictions)).encode()).digest()
        if key not in self._tables:
            self._tables[key] = as_arrays(predictions)
        return self._tables[key]

    def weights(self, case_ids: NDArray[np.str_]) -> NDArray[np.uint8]:
        """Return how often each case (n,) is drawn in each resample, (n, resamples)."""
        key = len(case_ids), case_ids.tobytes()
        if key not in self._weights:
            if len(self._weights) == SETS_KEPT:
                del self._weights[next(iter(self._weights))]
            self._weights[key] = bootstrap.patient_weights(self.patient_ids(case_ids), self.resamples, self.seed)
        return self._weights[key]

    def draws(self, function: Callable[[Floats], Floats], case_ids: NDArray[np.str_]) -> Floats:
        """Return `function` of weights (n, b) of the cases (n,) in every resample: (..., resamples)."""
        return bootstrap.resampled(function, self.weights(case_ids))

    def metric_draws(self, arrays: PredictionArrays, metric: Metric) -> Floats:
        """Return a metric in every resample (resamples,)."""
        return self._all_draws(arrays, [metric])[metric]

    def interval(self, values: Floats) -> tuple[float, float]:
        """Return the interval of a number from its values (resamples,); NaN where too few resamples define it."""
        return bootstrap.interval(values, self.confidence)

    def band(self, values: Floats) -> tuple[Floats, Floats]:
        """Return the intervals (g,), (g,) of g numbers (g, resamples); NaN where too few resamples define one."""
        return bootstrap.band(values, self.confidence)

    def share_interval(self, share: float, values: Floats, patients: int) -> tuple[float, float]:
        """Return the interval of a share among `patients`, exact where the share is 0 or 1; NaN as in `interval`."""
        return bootstrap.share_interval(share, values, patients, self.confidence)

    def paired_difference(self, estimates: tuple[float, float], draws: Floats) -> dict[str, float]:
        """Return difference, low, high and p of two estimates; `draws` are the differences in the resamples."""
        return bootstrap.paired_difference(*estimates, draws, self.confidence)

    def estimates(self, arrays: PredictionArrays, metrics: Mapping[str, Metric] | None = None) -> Summary:
        """Return the metrics with their intervals, by default all; without those that are not defined often enough."""
        metrics = metrics_for(len(arrays.classes)) if metrics is None else metrics
        draws = self._all_draws(arrays, metrics.values())
        samples, patients = _samples(arrays), self.patient_ids(arrays.case_ids)
        found: Summary = {}
        for name, estimate in point_metrics(arrays, metrics).items():
            metric = metrics[name]
            low, high = self.interval(draws[metric])
            if metric.share_of is not None:
                # Of how many patients the share is; the fewest of the repeats.
                fewest = min(len(np.unique(patients[metric.share_of(sample)])) for sample in samples)
                low, high = self.share_interval(estimate, draws[metric], fewest)
            if np.isfinite(low):
                found[name] = {"estimate": estimate, "low": low, "high": high}
        return found

    def _all_draws(self, arrays: PredictionArrays, metrics: Iterable[Metric]) -> dict[Metric, Floats]:
        known = self._metrics.setdefault(arrays, {})
        missing = [metric for metric in metrics if metric not in known]
        if missing:
            found = self.draws(lambda weights: weighted_metrics(arrays, weights, missing), arrays.case_ids)
            known |= zip(missing, found, strict=True)
        return known


@lru_cache(maxsize=2)
def _judge(
    patients: tuple[tuple[str, str], ...],
    resamples: int,
    confidence: float,
    seed: int,
    study: tuple[tuple[str, str], ...],
) -> Judge:
    """Return the one judge of these patients: stages that each ask for it share its draws."""
    return Judge(pd.DataFrame(patients, columns=["case_id", "patient_id"]), resamples, confidence, seed, dict(study))


def weighted_metrics(arrays: PredictionArrays, weights: Floats | None, metrics: Iterable[Metric]) -> Floats:
    """Return each metric (m, b) under `weights` (n, b; by default 1), averaged over the repeats; NaN if not defined."""
    samples = _samples(arrays, weights)
    return np.stack([np.mean([metric.value(sample) for sample in samples], axis=0) for metric in metrics])


def point_metrics(arrays: PredictionArrays, metrics: Mapping[str, Metric] | None = None) -> dict[str, float]:
    """Return each metric that is defined, over all cases, averaged over the repeats."""
    metrics = metrics_for(len(arrays.classes)) if metrics is None else metrics
    values = weighted_metrics(arrays, None, metrics.values())[:, 0]
    return {name: float(value) for name, value in zip(metrics, values, strict=True) if np.isfinite(value)}


def _samples(arrays: PredictionArrays, weights: Floats | None = None) -> list[Sample]:
    """Return a sample per repeat; without `weights` every case counts once."""
    weights = np.ones((len(arrays.labels), 1)) if weights is None else weights
    repeats = zip(arrays.probabilities, arrays.decisions, strict=True)
    return [Sample(arrays.labels, probabilities, decisions, weights) for probabilities, decisions in repeats]


def summary(predictions: pd.DataFrame, judge: Judge) -> Summary:
    """Return a model's metrics, pooled out of fold, each with its bootstrap interval (see `Judge.estimates`)."""
    return judge.estimates(judge.arrays(predictions))


def per_fold(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the metrics of each fold: repeat, fold, n (cases tested), metric, value; a row per defined metric."""
    arrays = as_arrays(predictions)
    rows = []
    for index, repeat in enumerate(arrays.repeats):
        for fold in np.unique(arrays.folds[index]):
            part = arrays.in_repeat(index).subset(arrays.folds[index] == fold)
            n, found = len(part.case_ids), point_metrics(part)
            rows += [(int(repeat), int(fold), n, name, value) for name, value in found.items()]
    return pd.DataFrame(rows, columns=["repeat", "fold", "n", "metric", "value"])
