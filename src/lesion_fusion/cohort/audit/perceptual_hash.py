"""A hash of what an image looks like, which a brightened, resized, compressed or slightly cropped copy shares.

A difference hash (dHash): the image shrunk to 13 x 13, then for each of 12 x 12 places whether it brightens to the
right and whether it brightens downwards, 288 bits. A crop moves these places, so the image's own crops are hashed
too: a copy that lost up to a tenth at any side is close to one of them.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GRID = 12
BITS = 2 * GRID * GRID
_THUMBNAIL = 128
_LOST = (0.04, 0.08)

# Shares lost at (left, top, right, bottom); the first is the whole image.
CROPS: tuple[tuple[float, float, float, float], ...] = tuple(
    dict.fromkeys(
        (lost * left, lost * top, lost * right, lost * bottom)
        for lost in (0.0, *_LOST)
        for left, top, right, bottom in product((0, 1), repeat=4)
    )
)

Hashes = NDArray[np.uint64]


def perceptual_hashes(gray: NDArray[np.uint8]) -> Hashes:
    """Return the hashes of an image and of its crops, uint64 (len(CROPS), words); `gray` is uint8 (height, width)."""
    thumbnail = Image.fromarray(gray).resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    bits = np.zeros((len(CROPS), -(-BITS // 64) * 64), dtype=bool)
    for row, (left, top, right, bottom) in zip(bits, CROPS, strict=True):
        box = (left * _THUMBNAIL, top * _THUMBNAIL, (1 - right) * _THUMBNAIL, (1 - bottom) * _THUMBNAIL)
        small = np.asarray(thumbnail.resize((GRID + 1, GRID + 1), Image.Resampling.BILINEAR, box=box))
        row[: BITS // 2] = (small[:-1, 1:] > small[:-1, :-1]).ravel()
        row[BITS // 2 : BITS] = (small[1:, :-1] > small[:-1, :-1]).ravel()
    return np.packbits(bits, axis=1).view(np.uint64)


def close_pairs(first: Hashes, second: Hashes, bits: int) -> list[tuple[int, int, int]]:
    """Return (i, j, distance) of the images i of `first` that, uncropped, differ from j of `second` by at most `bits`.

    Both are (n, len(CROPS), words); the distance is the smallest over the crops of j. Memory: some megabytes.
    """
    crops = np.ascontiguousarray(second.reshape(-1, second.shape[-1]).T)
    pairs = []
    for i, whole in enumerate(first[:, 0]):
        # Two words suffice to discard nearly all pairs: the rest of the bits can only add to the distance.
        partial = np.bitwise_count(crops[1] ^ whole[1]) + np.bitwise_count(crops[3] ^ whole[3])
        candidates = np.flatnonzero(partial <= bits)
        distances = np.bitwise_count(crops[:, candidates] ^ whole[:, None]).sum(axis=0, dtype=np.int64)
        close = distances <= bits
        nearest: dict[int, int] = {}
        for j, distance in zip(candidates[close] // len(CROPS), distances[close], strict=True):
            nearest[int(j)] = min(int(distance), nearest.get(int(j), BITS))
        pairs += [(i, j, distance) for j, distance in sorted(nearest.items())]
    return pairs
