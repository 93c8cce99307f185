"""The lesion of a phantom: its position, its outline, and the outlines of further structures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]

ANGLES = 360  # samples of an outline


@dataclass(frozen=True)
class Appearance:
    """Content of one image; descriptors are worded as in the published table and unused in normal cases."""

    shape: str
    margin: str
    echogenicity: str
    posterior_features: str
    halo: str
    calcifications: str
    skin_thickening: str
    lesion: bool
    diameter_mm: float
    aspect: float
    others: int
    width: int
    height: int
    pixel_mm: float
    fan: bool


@dataclass(frozen=True)
class Outline:
    """A closed outline: centre and half axes in pixels, and `ANGLES` radii relative to the ellipse of these axes."""

    row: float
    column: float
    half_height: float
    half_width: float
    radius: Field

    def depth_inside(self, height: int, width: int) -> Field:
        """Return each pixel's distance from the centre, relative to the outline's in that direction: below 1 inside."""
        y = (np.arange(height, dtype=np.float32)[:, None] - self.row) / self.half_height
        x = (np.arange(width, dtype=np.float32)[None, :] - self.column) / self.half_width
        turn = np.arctan2(y, x).astype(np.float32) * np.float32(ANGLES / (2 * np.pi))
        nearest = np.rint(turn).astype(np.intp) % ANGLES
        distance: Field = np.hypot(y, x) / self.radius[nearest]
        return distance

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the pixels inside the outline, (height, width)."""
        inside: NDArray[np.bool_] = self.depth_inside(height, width) <= 1
        return inside


def lesion_outline(appearance: Appearance, rng: np.random.Generator) -> Outline:
    """Return the outline of the lesion that `appearance` describes, inside the image and below the skin."""
    radius = _radius(appearance.shape, appearance.margin, rng)
    aspect = appearance.aspect if appearance.shape != "round" else float(np.clip(appearance.aspect, 0.9, 1.1))
    # The ellipse has the area of a circle of that diameter; each view of a lesion differs a little.
    half = appearance.diameter_mm / appearance.pixel_mm / 2 * rng.uniform(0.93, 1.07)
    reach = float(np.max(radius))
    half_height = float(np.clip(half * np.sqrt(aspect), 5, 0.31 * appearance.height / reach))
    half_width = float(np.clip(half / np.sqrt(aspect), 5, 0.4 * appearance.width / reach))
    top = 0.1 * appearance.height + half_height * reach
    bottom = 0.85 * appearance.height - half_height * reach
    row = float(np.clip(rng.normal(0.36, 0.08) * appearance.height, top, max(top, bottom)))
    side = half_width * reach + 0.03 * appearance.width
    column = float(np.clip(rng.normal(0.5, 0.12) * appearance.width, side, appearance.width - side))
    return Outline(row, column, half_height, half_width, radius)


def other_outlines(appearance: Appearance, lesion: Outline, rng: np.random.Generator) -> tuple[Outline, ...]:
    """Return the outlines of the further structures, cysts on the emptier side of the lesion."""
    outlines = []
    left = lesion.column > appearance.width / 2
    for _ in range(appearance.others):
        half_height = float(rng.uniform(0.03, 0.06) * appearance.height)
        half_width = half_height * float(rng.uniform(1.0, 1.6))
        row = float(rng.uniform(0.25, 0.6) * appearance.height)
        side = float(rng.uniform(0.12, 0.3))
        column = (side if left else 1 - side) * appearance.width
        outlines.append(Outline(row, column, half_height, half_width, _radius("oval", "circumscribed", rng)))
    return tuple(outlines)


def _radius(shape: str, margin: str, rng: np.random.Generator) -> Field:
    """Return the radius relative to the ellipse at each angle, with mean square 1, for a shape and margin."""
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radius = np.ones(ANGLES)

    def waves(orders: range, amplitude: float) -> NDArray[np.float64]:
        return sum(
            amplitude / len(orders) ** 0.5 * rng.normal() * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
            for order in orders
        )

    radius += waves(range(2, 8), 0.16) if shape == "irregular" else waves(range(2, 5), 0.03)
    if "microlobulated" in margin:
        radius += waves(range(9, 16), 0.09)
    if "angular" in margin:
        corners = int(rng.integers(4, 7))
        uneven = angle + rng.uniform(0.2, 0.5) * np.sin(angle + rng.uniform(0, 2 * np.pi))
        height = 0.26 + 0.12 * np.sin(angle + rng.uniform(0, 2 * np.pi))
        radius += height * (1 - np.abs(np.sin(corners * uneven / 2 + rng.uniform(0, np.pi))))
    if "spiculated" in margin:
        for _ in range(int(rng.integers(7, 13))):
            away = np.abs((angle - rng.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi)
            radius += rng.uniform(0.15, 0.45) * np.exp(-away / rng.uniform(0.06, 0.12))
    radius = np.clip(radius, 0.4, None)
    return (radius / np.sqrt(np.mean(radius**2))).astype(np.float32)
