"""Pictures in a grid, with outlines and attention, and PNG pictures side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.image
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lesion_fusion.plots.style import DPI, styled

OUTLINE = "#56B4E9"
HEAT = "inferno"
HEAT_OPACITY = 0.75


@dataclass(frozen=True)
class Picture:
    """One picture of a grid: `image`, uint8 (height, width), and the text above it.

    `mask`, uint8 of the same shape, is drawn as an outline; `heat`, 0 or more, over the image, opaque where highest.
    """

    image: np.ndarray
    text: str = ""
    mask: np.ndarray | None = None
    heat: np.ndarray | None = None


@styled
def picture_grid(
    rows: Sequence[tuple[str, Sequence[Picture | None]]],
    columns: Mapping[str, int] | None = None,
    title: str = "",
    side: float = 1.55,
    text_size: float = 8.5,
) -> Figure:
    """Draw pictures in a grid.

    `rows` are the text at the left of each row, and its pictures; None leaves a place empty. `columns` are headings and
    the number of columns below each. `side` is that of a picture's square, inches; `text_size` is in points.
    """
    columns = columns or {}
    texts = [max((p.text.count("\n") + 1 for p in pictures if p and p.text), default=0) for _, pictures in rows]
    # Inches: room for the rows' texts, the title and the headings, and a line of text above a picture.
    gap, line = 0.06, 0.165 * text_size / 8.5
    left = 0.35 if any(name for name, _ in rows) else gap
    top = 0.62 if any(heading.strip() for heading in columns) else 0.4 if title else gap
    heights = [side + line * lines + gap for lines in texts]
    size = (left + max(len(pictures) for _, pictures in rows) * (side + gap), top + sum(heights))
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
        middle = (bottom + side / 2) / size[1]
        figure.text(0.17 / size[0], middle, name, rotation=90, ha="center", va="center", fontsize=10)
        for position, picture in enumerate(pictures):
            if picture is not None:
                place = (left + position * (side + gap), bottom, side, side)
                axes = figure.add_axes(tuple(np.divide(place, (*size, *size))))
                _draw(axes, picture, text_size)
        down += height
    return figure


def side_by_side(pictures: Sequence[bytes]) -> Figure:
    """Lay PNG pictures side by side, pixel by pixel, tops aligned."""
    arrays = [matplotlib.image.imread(io.BytesIO(picture), format="png")[..., :3] for picture in pictures]
    height = max(len(array) for array in arrays)
    padded = [np.pad(a, ((0, height - len(a)), (0, 0), (0, 0)), constant_values=1.0) for a in arrays]
    sheet = np.concatenate(padded, axis=1)
    figure = Figure(figsize=(sheet.shape[1] / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(sheet, interpolation="none", aspect="auto")
    axes.set_axis_off()
    return figure


def _draw(axes: Axes, picture: Picture, text_size: float) -> None:
    axes.imshow(picture.image, cmap="gray", vmin=0, vmax=255)
    if picture.heat is not None and picture.heat.max() > 0:
        strength = picture.heat / picture.heat.max()
        axes.imshow(strength, cmap=HEAT, vmin=0, vmax=1, alpha=HEAT_OPACITY * strength)
    if picture.mask is not None and picture.mask.min() < 128 <= picture.mask.max():
        axes.contour(picture.mask, levels=[127.5], colors=OUTLINE, linewidths=1.0)
    axes.set_axis_off()
    # A broad picture stands directly below its text.
    axes.set_anchor("N")
    # With a height of its own the title is not placed by the ticks, which are not shown and take long to make.
    axes.set_title(picture.text, fontsize=text_size, weight="normal", loc="center", pad=2, y=1.0)
