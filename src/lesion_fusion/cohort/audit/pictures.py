"""What the audit keeps of an image once it has been decoded: some hashes and flags, not its pixels."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lesion_fusion.cohort.audit.perceptual_hash import Hashes, perceptual_hashes

# An image whose central 98 % of gray values span fewer levels than this shows nothing.
_FEWEST_LEVELS = 8


@dataclass(frozen=True)
class Picture:
    """`digest`: of size and pixels. `hidden_pixels`: pixels with colour under a border that is not opaque."""

    name: str
    digest: str
    hashes: Hashes
    flat: bool
    hidden_pixels: int


def look_at(name: str, content: bytes, gray: NDArray[np.uint8]) -> Picture:
    """Return what the audit keeps of an image.

    `name` is the case's, `content` the PNG file's bytes, `gray` what they decode to, uint8 (height, width).
    """
    low, high = np.percentile(gray, [1, 99])
    return Picture(
        name=name,
        digest=hashlib.sha256(repr(gray.shape).encode() + np.ascontiguousarray(gray).data).hexdigest(),
        hashes=perceptual_hashes(gray),
        flat=bool(high - low < _FEWEST_LEVELS),
        hidden_pixels=_hidden_pixels(content),
    )


def _hidden_pixels(content: bytes) -> int:
    """Return how many pixels are not wholly opaque and not black."""
    with Image.open(io.BytesIO(content)) as picture:
        if not picture.has_transparency_data:
            return 0
        pixels = np.asarray(picture.convert("RGBA"))
    hidden = pixels[pixels[..., 3] < 255]
    return int(hidden[:, :3].any(axis=1).sum())
