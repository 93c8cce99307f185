from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.plots.curves import NAMED_AT_MOST, roc_panels_plot


def curve(height: float) -> pd.DataFrame:
    rates = np.linspace(0, 1, 5)
    return pd.DataFrame({"false_positive_rate": rates, "sensitivity": rates**height, "low": rates, "high": 1.0})


def test_a_panel_a_family_with_every_model_and_a_band_for_the_first() -> None:
    figure = roc_panels_plot({"clinical": {"a": curve(0.2), "b": curve(0.5)}, "fusion": {"c": curve(0.1)}})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Clinical", "Fusion"]
    assert [[text.get_text() for text in axes.get_legend().get_texts()] for axes in figure.axes] == [["a", "b"], ["c"]]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1]


def test_models_beyond_the_colours_are_drawn_in_one_gray_and_counted() -> None:
    (axes,) = roc_panels_plot({"fusion": {f"m{i}": curve(0.2) for i in range(NAMED_AT_MOST + 3)}}).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][-2:] == [f"m{NAMED_AT_MOST - 1}", "3 more"]
    colours = [line.get_color() for line in axes.lines[1:]]
    assert len(set(colours[:NAMED_AT_MOST])) == NAMED_AT_MOST
    assert len(set(colours[NAMED_AT_MOST:])) == 1


def test_legends_lie_inside_the_figure() -> None:
    figure = roc_panels_plot({"clinical": {f"a_model_of_a_long_name_{i}": curve(0.2) for i in range(11)}})
    figure.draw_without_rendering()
    box = figure.axes[0].get_legend().get_window_extent()
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
