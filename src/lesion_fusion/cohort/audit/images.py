"""Images that occur twice, within a cohort or in two, hide colour, or are empty.

Near duplicates are found by a difference hash (dHash): the image is shrunk to 13 x 13; for each of 12 x 12 places one
bit says whether it brightens to the right, another whether it brightens downwards: 288 bits. An image's own crops are
hashed too: a copy that lost up to a tenth on any side is close to one of them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from lesion_fusion.cohort.audit.findings import Finding, Severity, finding, named
from lesion_fusion.notation import count

GRID = 12
BITS = 2 * GRID * GRID
_THUMBNAIL = 128
# Images that one is compared with at a time, so that their hashes stay in the processor's cache.
_AT_ONCE = 4096
# Shares lost at (left, top, right, bottom); the first is the whole image.
CROPS: tuple[tuple[float, float, float, float], ...] = tuple(
    dict.fromkeys(
        (lost * left, lost * top, lost * right, lost * bottom)
        for lost in (0.0, 0.04, 0.08)
        for left, top, right, bottom in product((0, 1), repeat=4)
    )
)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class ImageSummary:
    """The audit's summary of an image; `hidden_pixels` have colour and are not fully opaque, `bits` are those used.

    `notes`: what a DICOM file tells beside its pixels, by kind: frame, identity, text, scale.
    """

    name: str
    digest: str
    hashes: Hashes
    flat: bool
    hidden_pixels: int
    bits: int
    notes: Mapping[str, str] = field(default_factory=dict)


class Pair(NamedTuple):
    """Two images: `exact` where every pixel is equal; `distance` is the number of differing bits of their hashes."""

    first: str
    second: str
    exact: bool
    distance: int


def summarise_image(
    name: str, gray: NDArray[np.uint8], hidden_pixels: int, bits: int, notes: Mapping[str, str] = MappingProxyType({})
) -> ImageSummary:
    """Return the summary of the image of case `name`; `gray` are its pixels, (height, width)."""
    low, high = np.percentile(gray, [1, 99])
    digest = hashlib.sha256(repr(gray.shape).encode() + np.ascontiguousarray(gray).data).hexdigest()
    # An image is flat if the central 98 % of its gray values span fewer than 8 levels.
    return ImageSummary(name, digest, perceptual_hashes(gray), bool(high - low < 8), hidden_pixels, bits, notes)


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
    """Return (i, j, distance) of images i, uncropped, whose hash differs from that of a crop of j by at most `bits`."""
    nearest: dict[tuple[int, int], int] = {}
    for start in range(0, len(second), _AT_ONCE):
        crops = np.ascontiguousarray(second[start : start + _AT_ONCE].reshape(-1, second.shape[-1]).T)
        for i, whole in enumerate(first[:, 0]):
            # Two words suffice to discard nearly all pairs: the other words can only add to the distance.
            partial = np.bitwise_count(crops[1] ^ whole[1]) + np.bitwise_count(crops[3] ^ whole[3])
            candidates = np.flatnonzero(partial <= bits)
            distances = np.bitwise_count(crops[:, candidates] ^ whole[:, None]).sum(axis=0, dtype=np.int64)
            close = distances <= bits
            for j, distance in zip(candidates[close] // len(CROPS), distances[close], strict=True):
                pair = i, start + int(j)
                nearest[pair] = min(int(distance), nearest.get(pair, BITS))
    return [(*pair, distance) for pair, distance in sorted(nearest.items())]


def duplicate_pairs(images: Sequence[ImageSummary], others: Sequence[ImageSummary], bits: int) -> list[Pair]:
    """Return the pairs of `images` and `others` that are equal or nearly so, not flat; within one cohort each once."""
    within = others is images
    left = [one for one in images if not one.flat]
    right = [one for one in others if not one.flat]
    if not left or not right:
        return []
    hashes, other_hashes = (np.stack([one.hashes for one in group]) for group in (left, right))
    found = close_pairs(hashes, other_hashes, bits)
    if not within:
        # Either of the two may be the crop of the other.
        found += [(i, j, distance) for j, i, distance in close_pairs(other_hashes, hashes, bits)]
    nearest: dict[tuple[int, int], int] = {}
    for i, j, distance in found:
        key = (min(i, j), max(i, j)) if within else (i, j)
        if not within or i != j:
            nearest[key] = min(distance, nearest.get(key, distance))
    return [
        Pair(left[i].name, right[j].name, left[i].digest == right[j].digest, distance)
        for (i, j), distance in sorted(nearest.items())
    ]


def duplicate_findings(cases: pd.DataFrame, within: Sequence[Pair], between: Sequence[Pair]) -> Iterator[Finding]:
    """Yield LF301 to LF304; `within` are pairs of this cohort's cases, `between` pairs with another cohort's images."""
    patient = cases.set_index("case_id")["patient_id"]
    for number, exact, how in (("LF301", True, "are the same pixel for pixel"), ("LF302", False, "look the same")):
        pairs = [pair for pair in within if pair.exact is exact]
        if not pairs:
            continue
        crossing = sum(patient[pair.first] != patient[pair.second] for pair in pairs)
        patients = f"{crossing:,} of different patients" if crossing else "each of one patient"
        yield finding(
            number,
            f"{count(len(pairs), 'pair')} of images {how}, {patients}: {_listed(pairs)}.",
            cases=sorted({name for pair in pairs for name in (pair.first, pair.second)}),
            severity=Severity.ERROR if crossing else Severity.WARNING,
        )
    for number, exact, how in (("LF303", True, ""), ("LF304", False, ", slightly altered")):
        pairs = [pair for pair in between if pair.exact is exact]
        if pairs:
            yield finding(
                number,
                f"{count(len(pairs), 'pair')} of images of this and the other cohort{how}: {_listed(pairs)}.",
                cases=sorted({pair.first for pair in pairs}),
            )


def content_findings(images: Sequence[ImageSummary]) -> Iterator[Finding]:
    """Yield LF305 to LF311."""
    hidden = [one.name for one in images if one.hidden_pixels]
    if hidden:
        yield finding(
            "LF305",
            f"{count(len(hidden), 'image')} with colour under a transparent border, which a plain conversion to gray "
            f"would show: {named(hidden)}. These pixels are set to black.",
            cases=hidden,
        )
    flat = [one.name for one in images if one.flat]
    if flat:
        yield finding("LF306", f"{count(len(flat), 'image')} without content: {named(flat)}.", cases=flat)
    deep = {one.name: one.bits for one in images if one.bits > 8}
    if deep:
        depths = [f"{name} ({bits} bits)" for name, bits in deep.items()]
        sentence = f"{count(len(deep), 'image')} with more than 8 bits per pixel: {named(depths)}."
        severity = Severity.WARNING if len({one.bits for one in images}) > 1 else None
        yield finding("LF307", sentence, cases=list(deep), severity=severity)
    yield from dicom_findings(images)


def dicom_findings(images: Sequence[ImageSummary]) -> Iterator[Finding]:
    """Yield LF308 to LF311: what DICOM files tell beside their pixels; tags by their names, never a value."""
    rules = {
        "identity": ("LF308", "with tags that may identify somebody"),
        "text": ("LF309", "that may show a name or date burned in"),
        "frame": ("LF310", "of a loop whose frame was not chosen"),
        "scale": ("LF311", "without a usable pixel size"),
    }
    for kind, (number, words) in rules.items():
        told = {one.name: one.notes[kind] for one in images if kind in one.notes}
        if told:
            # Cases that are told the same share a place in the list.
            alike: dict[str, list[str]] = {}
            for name, text in told.items():
                alike.setdefault(text, []).append(name)
            shown = "; ".join(f"{named(names)} ({text})" for text, names in alike.items())
            yield finding(number, f"{count(len(told), 'DICOM image')} {words}: {shown}.", cases=list(told))


def _listed(pairs: Sequence[Pair]) -> str:
    bits = ["" if pair.exact else f" ({pair.distance} bits)" for pair in pairs]
    return named([f"{pair.first} and {pair.second}{far}" for pair, far in zip(pairs, bits, strict=True)])
