"""The style that all plots share: colours that every reader can distinguish, legible type, few lines."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from itertools import cycle
from typing import Any, ParamSpec

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe M., Ito K., Color Universal Design, 2008; without yellow, which is illegible as a line on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
# A family has the same colour in every plot.
FAMILY_COLOURS = {"clinical": COLOURS[0], "imaging": COLOURS[2], "fusion": COLOURS[1]}
LINE_STYLES = ("-", "--", "-.", ":")
REFERENCE = "#767676"
BAND_OPACITY = 0.15
LINES_INSIDE = 5
LEGEND_WIDTH = 3.0
# Resolution of PNG pictures, that of the plots in the catalog.
DPI = 150

# Any: the key types of matplotlib's stubs differ between versions.
STYLE: Any = {
    **{"font.size": 11, "lines.linewidth": 1.8, "legend.frameon": False, "legend.fontsize": 9.5},
    **{"axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 11},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#444444", "axes.axisbelow": True},
    **{"axes.prop_cycle": cycler(color=COLOURS), "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8},
    **{"figure.dpi": 130, "figure.titlesize": 12, "figure.titleweight": "bold"},
}

# Background of text that is written over lines.
PLATE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 1.0}

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Return `draw` so that it draws in `STYLE` and leaves matplotlib's settings unchanged."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return in_style


def new_axes(width: float, height: float, title: str) -> tuple[Figure, Axes]:
    """Return a figure of the given size, inches, and its one titled pair of axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    # At the left edge of the figure, where the longest name of a model has room.
    figure.suptitle(title, x=0.01, ha="left")
    return figure, axes


def new_panels(
    width: float, height: float, rows: int, columns: int, title: str = "", **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure of the given size, inches, and its panels row by row; `options` are those of `subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.01, ha="left")
    return figure, list(figure.subplots(rows, columns, squeeze=False, **options).flat)


def write_instead(figure: Figure, axes: Axes, sentence: str, *empty: Axes) -> Figure:
    """Return the figure with a sentence in `axes` instead of a drawing, and nothing in the `empty` axes."""
    for one in (axes, *empty):
        one.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", transform=axes.transAxes)
    return figure


def line_looks(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Return colour and line style for each named line: the family's colour if no family occurs twice.

    Otherwise all colours are used before the next line style.
    """
    families = [name.partition(".")[0] for name in names]
    if len(set(families)) == len(families) and set(families) <= set(FAMILY_COLOURS):
        return iter([(FAMILY_COLOURS[family], LINE_STYLES[0]) for family in families])
    return ((colour, style) for style in cycle(LINE_STYLES) for colour in COLOURS)


def axes_with_legend(side: float, lines: int, title: str) -> tuple[Figure, Axes]:
    """Return a figure with axes `side` inches high, and room at their right if the legend of `lines` is long."""
    return new_axes(side if lines <= LINES_INSIDE else side + LEGEND_WIDTH, side, title)


def set_legend(axes: Axes, lines: int) -> None:
    """Set the legend of `lines` inside the axes if it is short, otherwise at their right."""
    if lines <= LINES_INSIDE:
        axes.legend(loc="best")
    else:
        set_legend_outside(axes)


def set_legend_outside(axes: Axes) -> None:
    """Set the legend at the right of the axes."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0))


def as_png(figure: Figure, dpi: int = DPI) -> bytes:
    """Return a figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
