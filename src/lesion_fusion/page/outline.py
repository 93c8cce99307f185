"""A lesion's outline as a polygon that is drawn point by point and corrected: every step is a new outline."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lesion_fusion.imaging.png import Mask

Point = tuple[float, float]
Source = Literal["hand", "sample", "machine", "corrected", "taken_over"]
FEWEST_POINTS = 3
# Points of an ellipse to start from, and half its axes as shares of the image's.
_ELLIPSE, _HALF = 12, 0.2
# A traced mask is followed to within this many pixels, or this share of the image's longer side.
_TOLERANCE, _SHARE = 0.75, 0.004


@dataclass(frozen=True)
class Outline:
    """Points (x, y) in pixels of an image of `size` (width, height); `closed` once it is finished.

    `chosen` is the point that keys and drags move, None for the whole. `original` is the mask that the points were
    traced from, as long as no point was changed: a polygon only comes near to it. `source`: whose it is; that of the
    model's networks, the machine's, may be corrected, or taken over as it is.
    """

    size: tuple[int, int]
    points: tuple[Point, ...] = ()
    closed: bool = False
    chosen: int | None = None
    original: Mask | None = None
    source: Source = "hand"

    @classmethod
    def ellipse(cls, size: tuple[int, int]) -> Outline:
        """Return an ellipse in the middle of the image."""
        turns = [2 * math.pi * k / _ELLIPSE for k in range(_ELLIPSE)]
        points = tuple((size[0] * (0.5 + _HALF * math.cos(t)), size[1] * (0.5 + _HALF * math.sin(t))) for t in turns)
        return cls(size, points, closed=True)

    @classmethod
    def traced(cls, mask: Mask, source: Source = "sample") -> Outline:
        """Return the outline of the mask's largest piece, which remains the mask itself until it is changed."""
        from skimage.measure import approximate_polygon, find_contours

        height, width = mask.shape
        contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
        tolerance = max(_TOLERANCE, _SHARE * max(mask.shape))
        traced = approximate_polygon(max(contours, key=len), tolerance)[:-1] - 1
        points = tuple((float(x) + 0.5, float(y) + 0.5) for y, x in traced)
        return cls((width, height), points, closed=True, original=mask, source=source)

    @property
    def by_machine(self) -> bool:
        """Whether it began as the machine's."""
        return self.source in ("machine", "corrected", "taken_over")

    def taken_over(self) -> Outline:
        """Return it as one that the reader found right."""
        return replace(self, source="taken_over")

    @property
    def usable(self) -> bool:
        """Whether it encloses something."""
        return self.closed and len(self.points) >= FEWEST_POINTS

    @property
    def area(self) -> float:
        """The enclosed share of the image, 0 to 1; it takes no mask, and follows a drag."""
        if not self.usable:
            return 0.0
        if self.original is not None:
            return float(self.original.mean())
        x, y = np.array(self.points).T
        return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / (2 * self.size[0] * self.size[1])

    def mask(self) -> Mask | None:
        """Return the pixels inside, bool (height, width); None where the outline is not finished."""
        if not self.usable:
            return None
        if self.original is not None:
            return self.original
        from skimage.draw import polygon  # Takes a second, which only a thread that asks the model spends.

        mask = np.zeros((self.size[1], self.size[0]), dtype=bool)
        # A pixel's centre lies half a pixel from its corner.
        columns, rows = np.array(self.points).T - 0.5
        mask[polygon(rows, columns, mask.shape)] = True
        return mask

    def add(self, point: Point) -> Outline:
        """Return it with a point at its end while it is drawn, otherwise within the nearest side; that is chosen."""
        k = len(self.points) if not self.closed else self._nearest_side(point)[0] + 1
        return self._changed((*self.points[:k], self._inside(point), *self.points[k:]), k)

    def split(self) -> Outline:
        """Return it with a point halfway between the chosen point and the next one."""
        if self.chosen is None or len(self.points) <= 1:
            return self
        one, other = self.points[self.chosen], self.points[(self.chosen + 1) % len(self.points)]
        k = self.chosen + 1
        middle = ((one[0] + other[0]) / 2, (one[1] + other[1]) / 2)
        return self._changed((*self.points[:k], middle, *self.points[k:]), k)

    def remove(self) -> Outline:
        """Return it without the chosen point, unless that leaves too few."""
        if self.chosen is None or (self.closed and len(self.points) <= FEWEST_POINTS):
            return self
        k = self.chosen
        rest = self.points[:k] + self.points[k + 1 :]
        return self._changed(rest, min(k, len(rest) - 1) if rest else None)

    def place(self, point: Point) -> Outline:
        """Return it with the chosen point at `point`."""
        if self.chosen is None:
            return self
        k = self.chosen
        return self._changed((*self.points[:k], self._inside(point), *self.points[k + 1 :]), k)

    def shift(self, dx: float, dy: float) -> Outline:
        """Return it with the chosen point, or all points where none is chosen, moved by so many pixels."""
        if self.chosen is not None:
            x, y = self.points[self.chosen]
            return self.place((x + dx, y + dy))
        return self._changed(tuple(self._inside((x + dx, y + dy)) for x, y in self.points), None)

    def scale(self, factor: float) -> Outline:
        """Return it scaled about its middle."""
        if not self.points:
            return self
        mx, my = np.mean(self.points, axis=0)
        moved = tuple(self._inside((mx + factor * (x - mx), my + factor * (y - my))) for x, y in self.points)
        return self._changed(moved, self.chosen)

    def choose(self, k: int | None) -> Outline:
        """Return it with point `k`, counted around, chosen."""
        return replace(self, chosen=None if k is None or not self.points else k % len(self.points))

    def finish(self) -> Outline:
        """Return it closed, if it has enough points."""
        return replace(self, closed=True, chosen=None) if len(self.points) >= FEWEST_POINTS else self

    def point_at(self, point: Point, reach: float) -> int | None:
        """Return which point lies nearest, within `reach` pixels; None where none does."""
        away = [math.dist(point, one) for one in self.points]
        k = min(range(len(away)), key=away.__getitem__, default=None)
        return k if k is not None and away[k] <= reach else None

    def side_at(self, point: Point, reach: float) -> bool:
        """Return whether a side of the closed outline lies within `reach` pixels."""
        return self.closed and self._nearest_side(point)[1] <= reach

    def _nearest_side(self, point: Point) -> tuple[int, float]:
        starts = np.array(self.points)
        along = np.roll(starts, -1, axis=0) - starts
        length = np.maximum((along**2).sum(axis=1), 1e-9)
        share = np.clip(((np.array(point) - starts) * along).sum(axis=1) / length, 0, 1)
        away = np.hypot(*(starts + share[:, None] * along - point).T)
        return int(away.argmin()), float(away.min())

    def _inside(self, point: Point) -> Point:
        return min(max(point[0], 0.0), float(self.size[0])), min(max(point[1], 0.0), float(self.size[1]))

    def _changed(self, points: tuple[Point, ...], chosen: int | None) -> Outline:
        source: Source = "corrected" if self.by_machine else "hand"
        return replace(self, points=points, chosen=chosen, original=None, source=source)
