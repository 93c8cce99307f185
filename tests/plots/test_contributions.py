"""The plot of SHAP values shows every case of every column, the largest on top."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd

from lesion_fusion.plots.forest import contributions_plot


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    small = pd.DataFrame(
        {"column": "age", "value": [str(float(i)) for i in range(30)], "contribution": rng.normal(size=30)}
    )
    large = pd.DataFrame({"column": "skin_thickening", "value": "yes", "contribution": rng.normal(3, 1, size=30)})
    return pd.concat([small, large]).assign(case_id=[*range(30)] * 2)


def test_every_case_is_a_dot_and_the_largest_column_is_on_top():
    before = dict(mpl.rcParams)
    (axes,) = contributions_plot(table(), "a model").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["skin thickening", "age"]
    dots = np.vstack([collection.get_offsets() for collection in axes.collections])
    assert len(dots) == 60
    np.testing.assert_allclose(np.sort(dots[:, 0]), np.sort(table()["contribution"]))
    assert (np.abs(dots[:, 1] - np.round(dots[:, 1])) < 0.4).all()
    assert dict(mpl.rcParams) == before


def test_only_so_many_columns_are_shown():
    (axes,) = contributions_plot(table(), "a model", at_most=1).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["skin thickening"]
