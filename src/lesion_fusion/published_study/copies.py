"""Altered copies of an image and its masks, stored as new cases: rotated, mirrored, scaled and sheared together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.parameters import Parameters

# A copy keeps at least this share of the lesion's area inside the image, changed scale aside.
KEPT_SHARE = 0.5
TRIES = 10


class Alteration(Parameters):
    """How far a copy may differ from its case.

    `noise`: standard deviation of a number's relative change. `rotation`: degrees to either side. `zoom`: change of
    scale, as a share. `shear`: tangent of its angle.
    """

    noise: float = Field(default=0.02, ge=0, le=1)
    rotation: float = Field(default=15.0, ge=0, le=180)
    zoom: float = Field(default=0.1, ge=0, lt=1)
    shear: float = Field(default=0.1, ge=0, le=1)


def altered_copy(
    image: GrayImage, masks: Sequence[Mask], alteration: Alteration, rng: np.random.Generator
) -> tuple[GrayImage, list[Mask]]:
    """Return the image, uint8 (height, width), and its masks, bool, under one random affine map about the centre.

    Half of the copies are mirrored left to right. What comes from beyond the image is 0. A map that moves more than
    half of the first mask out of the image is drawn again; after ten such the copy is merely mirrored.
    """
    area = masks[0].sum() if masks else 0
    for _ in range(TRIES):
        matrix = _random_map(alteration, rng)
        moved = [_moved(mask.astype(np.uint8), matrix, Image.Resampling.NEAREST).astype(bool) for mask in masks]
        if not area or moved[0].sum() >= KEPT_SHARE * area * abs(1 / np.linalg.det(matrix)):
            return _moved(image, matrix, Image.Resampling.BILINEAR), moved
    return image[:, ::-1].copy(), [mask[:, ::-1].copy() for mask in masks]


def _random_map(alteration: Alteration, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return a 2 x 2 map from places in the copy to places in the image, about the centre."""
    turn, zoom, shear = rng.uniform(-1, 1, 3)
    angle = np.radians(alteration.rotation * turn)
    rotated = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    sheared = np.array([[1.0, alteration.shear * shear], [0.0, 1.0]])
    mirrored = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    return rotated @ sheared @ mirrored / (1 + alteration.zoom * zoom)


def _moved(array: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], how: Image.Resampling) -> GrayImage:
    height, width = array.shape
    centre = np.array([width / 2, height / 2])
    shift = centre - matrix @ centre
    coefficients = (*matrix[0], shift[0], *matrix[1], shift[1])
    moved = Image.fromarray(array).transform((width, height), Image.Transform.AFFINE, coefficients, how)
    return np.asarray(moved)
