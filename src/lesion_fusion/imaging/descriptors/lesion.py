"""A lesion at a standard scale and gain, so that descriptors do not depend on scanner or resolution.

The lesion's longer side becomes `LESION_SIDE` pixels in the middle of `SIDE` pixels. Gray values become distances from
the surroundings' median in units of the square's spread, which cancels the scanner's gain and dynamic range.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import find_contours

from lesion_fusion.imaging.lesion_image import Square, resample, square_around
from lesion_fusion.imaging.png import GrayImage, Mask

Floats = npt.NDArray[np.float64]

SIDE = 128
LESION_SIDE = 64
CONTOUR_POINTS = 256
# Width of the bands on either side of the boundary, standard pixels (1/16 of the lesion's longer side).
RIM = 4.0
_BLOCK = 4
SURROUNDINGS = 24.0  # reach of the surroundings, standard pixels


class Group(StrEnum):
    """Topic of a descriptor; `PHYSICAL` needs the pixel size, which reveals the scanner, so it does not predict."""

    SHAPE = "shape"
    MARGIN = "margin"
    INTENSITY = "intensity"
    TEXTURE = "texture"
    POSTERIOR = "posterior"
    PHYSICAL = "physical"


class Descriptor(NamedTuple):
    """One column of the descriptors' table."""

    name: str
    unit: str
    group: Group
    description: str


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


@dataclass(frozen=True)
class Lesion:
    """A lesion at the standard scale; arrays are (SIDE, SIDE).

    `gray` is the standardised echo, 0 at the surroundings' median; `valid` True within the image and its frame of
    tissue; `mask` all components; `largest` the largest one without holes; `contour` float (CONTOUR_POINTS, 2),
    equidistant (x, y) on its boundary, the first point not repeated; `square` the part of the image that is shown;
    `area` the mask's pixels in the image, all components; `frame_height` the image's height, pixels.
    """

    gray: Floats
    valid: Mask
    mask: Mask
    largest: Mask
    contour: Floats
    square: Square
    area: int
    frame_height: int

    @cached_property
    def depth(self) -> Floats:
        """Signed distance from the lesion's boundary, standard pixels: positive outside, negative inside."""
        outside = ndimage.distance_transform_edt(~self.mask)
        inside = ndimage.distance_transform_edt(self.mask)
        return np.where(self.mask, 0.5 - inside, outside - 0.5)

    @cached_property
    def ellipse(self) -> Ellipse:
        """The ellipse of the largest component's first and second moments."""
        y, x = np.nonzero(self.largest)
        # A pixel is a square, not a point: 1/12 is its own second moment.
        covariance = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12
        (small, large), vectors = np.linalg.eigh(covariance)
        across, down = vectors[:, 1]
        major, minor = 2 * math.sqrt(large), 2 * math.sqrt(small)
        return Ellipse(float(x.mean()), float(y.mean()), major, minor, math.atan2(down, across))

    @property
    def outline_area(self) -> float:
        """Area within the contour, standard pixels."""
        return _polygon_area(self.contour)

    @property
    def perimeter(self) -> float:
        """Length of the contour, standard pixels."""
        return float(np.linalg.norm(np.diff(self.contour, axis=0, append=self.contour[:1]), axis=1).sum())

    def band(self, inner: float, outer: float) -> Mask:
        """Return the pixels of the image whose signed distance lies in (inner, outer]."""
        return (self.depth > inner) & (self.depth <= outer) & self.valid


def standardise(image: GrayImage, mask: Mask) -> Lesion:
    """Bring a lesion to the standard scale and gain; `image` is uint8, `mask` bool (height, width), not empty."""
    square = square_around(mask, SIDE / LESION_SIDE)
    pixel = SIDE / square.side
    soft = resample(mask.astype(np.float32), square, SIDE)
    # The stairs of an enlarged mask are no roughness: smooth over a source pixel, and never less than one of ours.
    soft = ndimage.gaussian_filter(soft, max(1.0, 0.6 * pixel), mode="constant")
    standard_mask = soft >= min(0.5, 0.5 * float(soft.max()))
    largest = _largest_component(standard_mask)
    valid = _within_frame(image, square) | standard_mask
    echo = resample(image.astype(np.float32), square, SIDE)
    return Lesion(
        gray=_standard_gain(echo, standard_mask, valid),
        valid=valid,
        mask=standard_mask,
        largest=largest,
        contour=_contour(np.where(largest | ~standard_mask, soft, 0), largest),
        square=square,
        area=int(mask.sum()),
        frame_height=image.shape[0],
    )


def _polygon_area(points: Floats) -> float:
    """Return the area of a closed polygon given as (n, 2) points (shoelace formula)."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _within_frame(image: GrayImage, square: Square) -> Mask:
    """Return where the square shows tissue: within the image and not in the black border that holds its corners.

    The border is searched in blocks of pixels, so that single black pixels of speckle do not connect.
    """
    blocks = image
    for axis, length in enumerate(image.shape):
        blocks = np.maximum.reduceat(blocks, np.arange(0, length, _BLOCK), axis=axis)
    regions, _ = ndimage.label(blocks == 0)
    corners = [region for region in regions[[0, 0, -1, -1], [0, -1, 0, -1]] if region > 0]
    tissue = ~np.isin(regions, corners)
    seen = Square(square.left / _BLOCK, square.top / _BLOCK, square.side / _BLOCK)
    return resample(tissue.astype(np.float32), seen, SIDE) > 0.99


def _largest_component(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    return ndimage.binary_fill_holes(mask)


def _contour(soft: Floats, largest: Mask) -> Floats:
    level = min(0.5, 0.5 * float(np.max(soft[largest])))
    filled = np.where(largest, np.maximum(soft, level), np.minimum(soft, level))
    lines = find_contours(filled, level * (1 - 1e-6))
    outline = max(lines, key=_polygon_area)[:-1, ::-1]
    closed = np.vstack([outline, outline[:1]])
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    stops = np.arange(CONTOUR_POINTS) * walked[-1] / CONTOUR_POINTS
    return np.column_stack([np.interp(stops, walked, closed[:, axis]) for axis in (0, 1)])


def _standard_gain(echo: Floats, mask: Mask, valid: Mask) -> Floats:
    around = valid & ~mask
    reference = np.median(echo[around]) if around.any() else np.median(echo[valid])
    low, high = np.percentile(echo[valid], [10, 90])
    # Half the distance between these percentiles is 1.28 standard deviations of a normal distribution.
    return (echo - reference) / max((high - low) / 2.56, 1.0)
