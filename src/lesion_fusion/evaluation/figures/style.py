"""The look that all figures share: colours every reader can tell apart, legible type, no needless ink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import cycle
from typing import Any, ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe M., Ito K., Color Universal Design, 2008; yellow is left out, which is illegible as a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# A family has the same colour in every figure.
FAMILY_COLOURS = {"clinical": COLOURS[0], "imaging": COLOURS[2], "fusion": COLOURS[1]}
LINE_STYLES = ("-", "--", "-.", ":")
REFERENCE = "#767676"
BAND_OPACITY = 0.15
SEQUENTIAL = "Blues"
LINES_INSIDE = 5
LEGEND_WIDTH = 3.0

# Any: what matplotlib's own types demand of the keys differs between its versions.
STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.8,
    "figure.dpi": 130,
}

# Behind text that stands on lines.
PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Return `draw` so that it draws in `STYLE` and leaves matplotlib's settings as they were."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


def new_axes(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure of the given size, inches, and its one titled pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def line_looks() -> Iterator[tuple[str, str]]:
    """Yield colour and line style of one line after another; all colours come before the next line style."""
    return ((colour, style) for style in cycle(LINE_STYLES) for colour in COLOURS)


def looks_of(names: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Return colour and line style of the lines named: the family's colour where each is of another family."""
    families = [name.partition(".")[0] for name in names]
    if len(set(families)) == len(families) and set(families) <= set(FAMILY_COLOURS):
        return [(FAMILY_COLOURS[family], LINE_STYLES[0]) for family in families]
    return line_looks()


def axes_with_legend(side: float, lines: int, title: str) -> tuple[Figure, Axes]:
    """Return a figure with axes `side` inches high, and room for a legend of `lines` at their right if it is long."""
    return new_axes(side if lines <= LINES_INSIDE else side + LEGEND_WIDTH, side, title)


def set_legend(axes: Axes, lines: int) -> None:
    """Set the legend inside the axes where it is short, else at their right, where it hides nothing."""
    if lines <= LINES_INSIDE:
        axes.legend(loc="best")
    else:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))
