from __future__ import annotations

import re

import numpy as np

from lesion_fusion.statistics.metrics import METRICS, Sample, metrics_for, tabulated_metrics
from tests.conftest import ROOT


def perfect(classes: int) -> Sample:
    """Predictions that are certain and right, of six cases a class."""
    labels = np.repeat(np.arange(classes), 6)
    return Sample(labels, np.eye(classes)[labels], labels, np.ones((len(labels), 1)))


def test_a_perfect_model_has_the_perfect_value_of_each_metric_that_is_defined() -> None:
    for classes in (2, 3):
        for name, metric in metrics_for(classes).items():
            value = metric.value(perfect(classes))
            assert value.shape == (1,), name
            # The slope of separated classes is not defined.
            assert name == "calibration_slope" or np.isclose(value[0], metric.perfect, atol=1e-4), name


def test_shares_say_which_cases_they_are_of() -> None:
    sample = Sample(np.array([0, 0, 1]), np.full((3, 2), 0.5), np.array([0, 1, 1]), np.ones((3, 1)))
    members = {name: metric.share_of(sample).tolist() for name, metric in METRICS.items() if metric.share_of}
    assert members == {
        "sensitivity": [False, False, True],
        "specificity": [True, True, False],
        "ppv": [False, True, True],
        "npv": [True, False, False],
        "accuracy": [True, True, True],
    }


def test_three_classes_have_no_metric_of_two() -> None:
    assert set(METRICS) - set(metrics_for(3)) == {
        *("calibration_slope", "calibration_intercept", "sensitivity", "specificity", "ppv", "npv")
    }
    assert set(tabulated_metrics()) < set(METRICS)


def test_the_page_of_metrics_describes_each_in_order() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    of_two = page[page.index("## Two classes") : page.index("## Three classes")]
    assert re.findall(r"^\| `(\w+)` \|", of_two, flags=re.MULTILINE) == list(METRICS)
