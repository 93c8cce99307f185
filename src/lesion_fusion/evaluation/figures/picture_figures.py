"""Figures made of pictures: cases in a grid, with their outline and what a network looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.evaluation.figures.style import styled

OUTLINE = "#56B4E9"
HEAT = "inferno"
HEAT_OPACITY = 0.75


@dataclass(frozen=True)
class Picture:
    """One picture of a grid.

    Attributes:
        image: uint8 (size, size), 0 to 255.
        text: above it.
        mask: uint8 (size, size), 0 to 255, drawn as an outline; None for none.
        heat: float (size, size), 0 or more, drawn over the image, opaque where it is highest; None for none.
    """

    image: np.ndarray
    text: str = ""
    mask: np.ndarray | None = None
    heat: np.ndarray | None = None


@styled
def picture_grid(
    rows: Sequence[tuple[str, Sequence[Picture | None]]],
    columns: Mapping[str, int],
    title: str,
    side: float = 1.55,
) -> Figure:
    """Draw pictures in a grid.

    Args:
        rows: the text at the left of each row, and its pictures; None leaves a place empty.
        columns: headings above the columns, each over so many of them, in order; a blank one has none.
        title: of the figure.
        side: of a picture, inches.
    """
    width = max(len(pictures) for _, pictures in rows)
    texts = [max((p.text.count("\n") + 1 for p in pictures if p and p.text), default=0) for _, pictures in rows]
    # Inches: room for the rows' texts, the title and the headings, and a line of text above a picture.
    left, line, gap = 0.35, 0.165, 0.06
    top = 0.62 if any(heading.strip() for heading in columns) else 0.4
    heights = [side + line * lines + gap for lines in texts]
    size = (left + width * (side + gap), top + sum(heights))
    figure = Figure(figsize=size)
    figure.text(0.08 / size[0], 1 - 0.08 / size[1], title, weight="bold", fontsize=12, va="top")
    first = 0
    for heading, span in columns.items():
        middle = left + (first + span / 2) * (side + gap)
        figure.text(middle / size[0], 1 - 0.52 / size[1], heading.strip(), ha="center", va="center", fontsize=10.5)
        first += span
    down = top
    for (name, pictures), height in zip(rows, heights, strict=True):
        bottom = size[1] - down - height + gap
        figure.text(
            0.17 / size[0], (bottom + side / 2) / size[1], name, rotation=90, ha="center", va="center", fontsize=10
        )
        for position, picture in enumerate(pictures):
            if picture is None:
                continue
            place = (left + position * (side + gap), bottom, side, side)
            axes = figure.add_axes(tuple(np.divide(place, (size[0], size[1], size[0], size[1]))))
            _draw(axes, picture)
        down += height
    return figure


def _draw(axes: Axes, picture: Picture) -> None:
    axes.imshow(picture.image, cmap="gray", vmin=0, vmax=255)
    if picture.heat is not None and picture.heat.max() > 0:
        strength = picture.heat / picture.heat.max()
        axes.imshow(strength, cmap=HEAT, vmin=0, vmax=1, alpha=HEAT_OPACITY * strength)
    if picture.mask is not None and picture.mask.min() < 128 <= picture.mask.max():
        axes.contour(picture.mask, levels=[127.5], colors=OUTLINE, linewidths=1.0)
    axes.set_axis_off()
    axes.set_title(picture.text, fontsize=8.5, weight="normal", loc="center", pad=2)
