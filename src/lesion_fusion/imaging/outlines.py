"""Outlines as data: from maps of probability to masks, how sure they are, and how near they are to drawn ones."""

import io
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from scipy import ndimage

from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, Mask

Floats = npt.NDArray[np.float32]
COLUMNS = ("case_id", "source", "peak", "agreement", "mask")
MEASURES = ("dice", "iou", "hausdorff_95", "hausdorff_95_mm", "missed", "area")
# An outline that overlaps the drawn one by less, as intersection over union, has missed the lesion.
MISSED = 0.1
# A lesion is where its probability is at least this.
DRAWN = 0.5


def letterbox(size: int) -> ImageInput:
    """Return how a network that draws outlines sees an image: whole, its proportions kept, in a square."""
    return ImageInput(variant="whole", size=size)


def outline(probability: Floats, shape: tuple[int, ...]) -> Mask:
    """Return the mask, bool of `shape`, that a map (m, m) of the letterboxed image draws: one region without holes.

    It is where the probability is at least 0.5, or half the highest where none is: an outline is always drawn, so that
    its absence tells no class, and the peak says how far to trust it. Of several regions the largest is kept.
    """
    height, width = shape
    side, edge = max(shape), float(len(probability))
    left, top = edge * (side - width) / side / 2, edge * (side - height) / side / 2
    box = (left, top, edge - left, edge - top)
    full = np.asarray(Image.fromarray(probability).resize((width, height), Image.Resampling.BILINEAR, box=box))
    peak = float(full.max())
    regions, count = ndimage.label(full >= (DRAWN if peak >= DRAWN else peak / 2))
    largest = 1 + int(np.argmax(ndimage.sum_labels(np.ones_like(regions), regions, range(1, count + 1))))
    return np.asarray(ndimage.binary_fill_holes(regions == largest), dtype=bool)


class Predicted(NamedTuple):
    """An outline that networks drew: its mask, and their doubt (the highest probability, and how far they agree)."""

    mask: Mask
    peak: float
    agreement: float

    @property
    def sees_lesion(self) -> bool:
        """Whether any probability reaches a half; otherwise the outline is a guess."""
        return self.peak >= DRAWN


def predicted_outline(maps: Floats, shape: tuple[int, ...]) -> Predicted:
    """Return the outline in an image of `shape` that the members' maps (members, m, m) draw together."""
    mean = maps.mean(axis=0)
    return Predicted(outline(mean, shape), float(mean.max()), agreement(maps))


def agreement(maps: Iterable[Floats]) -> float:
    """Return the mean Dice of each two members' maps at 0.5: 1 alike, 0 apart or nothing drawn; NaN for one member."""
    pairs = [dice(one >= 0.5, other >= 0.5) for one, other in combinations(maps, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def dice(one: Mask, other: Mask) -> float:
    """Return twice the shared area of two masks over the sum of their areas; 0 where both are empty."""
    return 2 * float((one & other).sum()) / max(float(one.sum() + other.sum()), 1.0)


def hausdorff_95(one: Mask, other: Mask) -> float:
    """Return the 95th percentile of the distances between two masks' boundaries, both ways, in pixels."""
    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (one, other)]
    away = [ndimage.distance_transform_edt(~edge) for edge in edges]
    return float(np.percentile(np.concatenate([away[1][edges[0]], away[0][edges[1]]]), 95))


def closeness(drawn: Mask, predicted: Mask, pixel_size_mm: float | None = None) -> dict[str, float]:
    """Return `MEASURES`: `hausdorff_95` in pixels, `missed` 0 or 1, `area` the drawn mask's share of the image.

    Millimetres are NaN where the pixel size is unknown.
    """
    overlap, distance = dice(drawn, predicted), hausdorff_95(drawn, predicted)
    iou = overlap / (2 - overlap)
    millimetres = float("nan") if pixel_size_mm is None else distance * pixel_size_mm
    values = (overlap, iou, distance, millimetres, float(iou < MISSED), float(drawn.mean()))
    return dict(zip(MEASURES, values, strict=True))


def encoded(mask: Mask) -> bytes:
    """Return a mask as a PNG of 0 and 255."""
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(buffer, "PNG")
    return buffer.getvalue()


def outlines_table(rows: Sequence[tuple[str, str, float, float, bytes | None]]) -> pd.DataFrame:
    """Return `outlines`: case_id; source, drawn, predicted or none; peak and agreement of the members; mask, a PNG."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def training_pair(image: GrayImage, mask: Mask | None, size: int) -> GrayImage:
    """Return uint8 (size, size, 2): the letterboxed image, and where its lesion is (0 without a mask)."""
    whole = letterbox(size)
    seen = lesion_image(image, None, [], whole)[..., 0]
    return np.stack([seen, lesion_mask(image.shape, mask, [], whole)], axis=-1)
