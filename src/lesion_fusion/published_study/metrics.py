"""The study's metrics, by which protocols of two and three classes compare; decisions are the most probable class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lesion_fusion.statistics import weighted
from lesion_fusion.statistics.metrics import METRICS as ALL_METRICS
from lesion_fusion.statistics.metrics import Metric, Sample, macro_f1
from lesion_fusion.statistics.weighted import Floats


def _lesion_auroc(sample: Sample) -> Floats:
    """Return the AUROC (b,) without the normal cases, which ranks by p_malignant / (p_benign + p_malignant)."""
    lesion = sample.labels >= sample.classes - 2
    benign, malignant = sample.probabilities[lesion, -2], sample.probabilities[lesion, -1]
    # Both may be 0 where a case is certain to be normal.
    share = malignant / np.maximum(benign + malignant, np.finfo(np.float64).tiny)
    return weighted.auroc(sample.labels[lesion] == sample.classes - 1, share, sample.weights[lesion])


METRICS: Mapping[str, Metric] = {
    "accuracy": ALL_METRICS["accuracy"],
    "macro_f1": Metric("Macro F1", macro_f1, 1),
    "auroc": ALL_METRICS["auroc"],
    "lesion_auroc": Metric("AUROC, lesions alone", _lesion_auroc, 1),
}
