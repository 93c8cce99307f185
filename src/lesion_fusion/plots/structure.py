"""Drawing of a part of a pipeline: steps as boxes, what one hands to another as arrows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from lesion_fusion.plots.style import COLOURS, PLATE, styled

# Inches: a box and the room to its right, a line of text, the room below a box.
WIDTH, BETWEEN, LINE, BELOW = 2.1, 1.0, 0.17, 0.3
# Letters that a box is wide.
LETTERS = 28


@dataclass(frozen=True)
class Step:
    """A box: what is done, what with, and the positions of the steps whose results it reads, with their names."""

    title: str
    details: Sequence[str] = ()
    reads: Sequence[tuple[int, str]] = ()


@styled
def structure_plot(steps: Sequence[Step], title: str) -> Figure:
    """Draw steps from left to right, each to the right of all that it reads; a step reads earlier ones alone."""
    columns: list[int] = []
    for step in steps:
        columns.append(1 + max((columns[read] for read, _ in step.reads), default=-1))
    for position, step in enumerate(steps):
        # What reads nothing stands just before the first that reads it.
        readers = [columns[i] for i, other in enumerate(steps) if position in [read for read, _ in other.reads]]
        columns[position] = columns[position] if step.reads or not readers else min(readers) - 1
    texts = [[step.title, *_wrapped(step.details)] for step in steps]
    heights = [LINE * (len(text) + 1) for text in texts]
    tops, used = [], [0.0] * (max(columns) + 1)
    for column, height in zip(columns, heights, strict=True):
        tops.append(used[column])
        used[column] += height + BELOW
    tallest = max(used)
    figure = Figure(figsize=(len(used) * (WIDTH + BETWEEN) - BETWEEN + 0.3, tallest + 0.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.15, figure.get_figwidth() - 0.15), ylim=(-tallest, 0.5))
    axes.set_axis_off()
    axes.text(-0.05, 0.25, title, weight="bold", fontsize=12, va="center")
    # Each column stands in the middle of the height.
    middles = [
        -(top + height / 2 + (tallest - used[column]) / 2)
        for top, height, column in zip(tops, heights, columns, strict=True)
    ]
    for step, text, height, column, middle in zip(steps, texts, heights, columns, middles, strict=True):
        left = column * (WIDTH + BETWEEN)
        colour = COLOURS[0] if step.details else "#444444"
        box = FancyBboxPatch(
            (left, middle - height / 2), WIDTH, height, "round,pad=0", fc="#F4F8FB", ec=colour, zorder=2
        )
        axes.add_patch(box)
        centre: dict[str, Any] = {"x": left + WIDTH / 2, "ha": "center", "va": "center", "zorder": 3}
        axes.text(**centre, y=middle + height / 2 - LINE, s=text[0], weight="bold", size=9)
        axes.text(**centre, y=middle - LINE / 2, s="\n".join(text[1:]), size=8)
        for read, name in step.reads:
            start = (columns[read] * (WIDTH + BETWEEN) + WIDTH, middles[read])
            arrow = {"arrowstyle": "->", "color": "#767676", "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (left, middle), start, arrowprops=arrow, zorder=1)
            near = (left - BETWEEN / 2, middle + (start[1] - middle) * BETWEEN / 2 / (left - start[0]))
            axes.text(*near, name, ha="center", va="center", size=7.5, color="#444444", bbox=PLATE)
    return figure


def _wrapped(details: Sequence[str]) -> list[str]:
    """Return names in lines, a long one broken after an underscore."""
    text = ", ".join(details).replace("_", "_ ")
    return [line.replace("_ ", "_") for line in textwrap.wrap(text, LETTERS)]
