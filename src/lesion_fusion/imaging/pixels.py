"""Images as a few numbers without any learning: pixels averaged over areas."""

from __future__ import annotations

import numpy as np

# Images averaged at a time, so that memory does not grow with their number.
_CHUNK = 256


def reduced_pixels(images: np.ndarray, edge: int) -> np.ndarray:
    """Return float32 (n, edge * edge * channels): each channel averaged over a grid of `edge` x `edge` equal areas.

    `images` are (n, height, width, channels) and may be a memory map; values keep their range. The order is that of
    rows, columns, channels. A pixel that two areas divide counts in each by its share.
    """
    n, height, width, channels = images.shape
    down, across = _areas(height, edge), _areas(width, edge)
    reduced = np.empty((n, edge * edge * channels), dtype="float32")
    for start in range(0, n, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, n))
        chunk = np.asarray(images[rows], dtype="float32")
        reduced[rows] = np.einsum("ay,nyxc,bx->nabc", down, chunk, across, optimize=True).reshape(len(rows), -1)
    return reduced


def _areas(size: int, edge: int) -> np.ndarray:
    """Return float32 (edge, size): the weight of each pixel along an axis in each area's mean."""
    borders = np.linspace(0, size, edge + 1)
    pixels = np.arange(size)
    shares = np.clip(np.minimum(borders[1:, None], pixels + 1) - np.maximum(borders[:-1, None], pixels), 0, None)
    return (shares * edge / size).astype("float32")
