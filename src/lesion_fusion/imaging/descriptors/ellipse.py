"""The ellipse that has a mask's area moments."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lesion_fusion.imaging.descriptors.lesion import Floats
from lesion_fusion.imaging.png import Mask


@dataclass(frozen=True)
class Ellipse:
    """Centre (x, y), semi-axes (pixels) and angle of the long axis to the horizontal (radians)."""

    x: float
    y: float
    major: float
    minor: float
    angle: float

    @property
    def circumference(self) -> float:
        """Circumference by Ramanujan's second approximation."""
        a, b = self.major, self.minor
        h = ((a - b) / (a + b)) ** 2
        return math.pi * (a + b) * (1 + 3 * h / (10 + math.sqrt(4 - 3 * h)))

    def level(self, x: Floats, y: Floats) -> Floats:
        """Return the points' distance from the centre in units of the ellipse's radius in their direction."""
        along = (x - self.x) * math.cos(self.angle) + (y - self.y) * math.sin(self.angle)
        across = (y - self.y) * math.cos(self.angle) - (x - self.x) * math.sin(self.angle)
        return np.hypot(along / self.major, across / self.minor)

    def covers(self, shape: tuple[int, ...]) -> Mask:
        """Return the ellipse as a mask of `shape` (height, width)."""
        y, x = np.indices(shape, dtype=np.float64)
        return self.level(x, y) <= 1


def equivalent_ellipse(mask: Mask) -> Ellipse:
    """Return the ellipse of the mask's first and second moments (bool, not empty)."""
    y, x = np.nonzero(mask)
    # A pixel is a square, not a point: 1/12 is its own second moment.
    covariance = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12
    (small, large), vectors = np.linalg.eigh(covariance)
    across, down = vectors[:, 1]
    return Ellipse(
        x=float(x.mean()),
        y=float(y.mean()),
        major=2 * math.sqrt(large),
        minor=2 * math.sqrt(small),
        angle=math.atan2(down, across),
    )
