from __future__ import annotations

import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from lesion_fusion.evaluation.curves import (
    calibration_curve,
    class_distribution,
    confusion_table,
    decision_curve,
    risk_distribution,
    roc_curve,
)
from lesion_fusion.evaluation.leaderboard import leaderboard
from lesion_fusion.evaluation.reader import operating_points, reader_decision_curves
from lesion_fusion.plots.curves import (
    class_distribution_plot,
    confusion_matrix_plot,
    confusion_panels_plot,
    decision_curve_plot,
    model_plot,
    risk_distribution_plot,
    roc_plot,
)
from lesion_fusion.plots.forest import importance_plot, leaderboard_plot
from tests.evaluation.tables import binary_predictions, judge_of, simulated


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return binary_predictions(*simulated(60, 1.0, seed=1))


@pytest.mark.parametrize(
    ("curve", "draw"),
    [
        (roc_curve, roc_plot),
        (decision_curve, decision_curve_plot),
    ],
)
def test_a_curve_plot_draws_the_table_with_its_band(table: pd.DataFrame, curve, draw) -> None:
    numbers = curve(table, judge_of(table, 10))
    figure = draw({"a model": numbers})
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    (line,) = [line for line in axes.lines if line.get_label() == "a model"]
    np.testing.assert_array_equal(line.get_xdata(), numbers.iloc[:, 0])
    np.testing.assert_array_equal(line.get_ydata(), numbers.iloc[:, 1])
    assert len(axes.collections) == 1
    assert "a model" in [text.get_text() for text in axes.get_legend().get_texts()]
    figure.canvas.draw()


def test_lines_of_many_models_can_be_told_apart(table: pd.DataFrame) -> None:
    numbers = roc_curve(table, judge_of(table, 10))
    (axes,) = roc_plot({f"model {i}": numbers for i in range(20)}).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in axes.lines if line.get_label().startswith("model")}
    assert len(looks) == 20


def test_the_confusion_matrix_shows_every_count(table: pd.DataFrame) -> None:
    numbers = confusion_table(table, judge_of(table, 10))
    (axes,) = confusion_matrix_plot(numbers).axes
    shown = [text.get_text().split("\n")[0] for text in axes.texts]
    assert shown == [f"{n:.4g}" for n in numbers["n"]]


def test_the_plot_of_a_model_shows_its_curves_with_bands_and_every_count(table: pd.DataFrame) -> None:
    judge, name = judge_of(table, 10), "fusion.late_stacking_logistic_regression"
    roc, calibration, confusion = (of(table, judge) for of in (roc_curve, calibration_curve, confusion_table))
    figure = model_plot(roc, calibration, confusion, name)
    for axes, numbers in zip(figure.axes, (roc, calibration), strict=False):
        (line,) = [line for line in axes.lines if line.get_label() == name]
        np.testing.assert_array_equal(line.get_xydata(), numbers.iloc[:, :2])
        assert len(axes.collections) == 1
    assert [text.get_text().split("\n")[0] for text in figure.axes[2].texts] == [f"{n:.4g}" for n in confusion["n"]]


def test_the_longest_names_of_models_stand_whole_in_their_titles(table: pd.DataFrame) -> None:
    names = ["fusion.late_stacking_logistic_regression", "fusion.intermediate_logistic_regression"]
    figure = confusion_panels_plot(dict.fromkeys(names, confusion_table(table, judge_of(table, 10))))
    figure.draw_without_rendering()
    titles = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_text() in names)
    first, second = (title.get_window_extent() for title in titles)
    assert first.x1 < second.x0
    assert second.x1 <= figure.bbox.width


def test_the_class_distribution_shows_every_class() -> None:
    labels = pd.Series(["benign"] * 3 + ["malignant"] * 2)
    (axes,) = class_distribution_plot(class_distribution(labels, ("normal", "benign", "malignant"))).axes
    assert [text.get_text() for text in axes.texts] == ["0", "3", "2"]


def test_the_risk_distribution_has_a_panel_per_outcome(table: pd.DataFrame) -> None:
    figure = risk_distribution_plot(risk_distribution(table, judge_of(table, 10)))
    assert len(figure.axes) == 2
    figure.canvas.draw()


def test_the_leaderboard_plot_lists_rank_name_and_interval(table: pd.DataFrame) -> None:
    name = "clinical.logistic_regression"
    (axes,) = leaderboard_plot(leaderboard([table], judge_of(table, 50), name), name).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{name}   1"]
    assert " to " in axes.texts[0].get_text()


def test_plots_leave_no_global_state(table: pd.DataFrame) -> None:
    before = dict(mpl.rcParams)
    roc_plot({"a": roc_curve(table, judge_of(table, 5))})
    assert dict(mpl.rcParams) == before
    modules = "lesion_fusion.plots.curves, lesion_fusion.plots.forest"
    code = f"import sys, {modules}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_reader_stands_on_the_roc_and_decision_curves(table: pd.DataFrame) -> None:
    cases = table["case_id"]
    birads = np.where(np.arange(60) % 3 == 0, "4a", np.where(table["label"] == "malignant", "5", "2"))
    readings = pd.DataFrame({"case_id": cases, "patient_id": cases, "birads": birads, "label": table["label"]})
    points = operating_points(readings, "malignant", judge_of(table, 10))
    roc = roc_plot({"a": roc_curve(table, judge_of(table, 5))}, points)
    assert [text.get_text() for text in roc.axes[0].texts] == ["≥ 4a", "5"]
    numbers = decision_curve(table, judge_of(table, 5))
    decisions = decision_curve_plot({"a": numbers}, reader_decision_curves(readings, "malignant"))
    assert [text.get_text() for text in decisions.axes[0].texts] == ["≥ 4a", "5"]


def test_the_importance_plot_names_columns_in_words_and_fills_what_is_above_nothing() -> None:
    importance = pd.DataFrame(
        {"column": ["posterior_features", "age"], "drop": [0.1, 0.0], "drop_low": [0.05, -0.1], "drop_high": [0.2, 0.1]}
    )
    (axes,) = importance_plot(importance, "AUROC").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["posterior features", "age"]
    filled = [line.get_markerfacecolor() != "white" for line in axes.lines if line.get_marker() == "o"]
    assert filled == [True, False]
