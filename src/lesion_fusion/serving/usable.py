"""The parts of a case that a model may answer from: given, readable, and like those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lesion_fusion.imaging.descriptors import describe
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.models.base import Need
from lesion_fusion.models.domain import Domain, outside
from lesion_fusion.serving.request import Record
from lesion_fusion.serving.schema import IMAGE, MASK

# Gray levels; an image whose pixels vary less than this shows no tissue. Only every `STRIDE`th row and column counts.
BLANK = 2.0
STRIDE = 4


@dataclass
class Usable:
    """Parts of a case that may be used, why others that the model needs may not, and its image's descriptors."""

    parts: set[Need] = field(default_factory=set)
    reasons: dict[Need, str] = field(default_factory=dict)
    descriptors: dict[str, float] | None = None


def usable(
    record: Record, image: GrayImage | None, mask: Mask | None, needs: frozenset[Need], domain: Domain
) -> Usable:
    """Return what may be used of a case (None where not given), for a model that `needs` these parts."""
    found = Usable()
    if Need.RECORD in needs:
        _judge_record(record, domain, found)
    if Need.IMAGE in needs:
        _judge_image(image, found)
    if Need.MASK in needs and Need.IMAGE in found.parts:
        assert image is not None
        _judge_mask(image, mask, domain, found)
    return found


def _judge_record(record: Record, domain: Domain, found: Usable) -> None:
    given = sum(value is not None for value in record.values())
    numbers = {name: value for name, value in record.items() if isinstance(value, float)}
    strange = outside(numbers, domain.numbers)
    if given == 0:
        found.reasons[Need.RECORD] = "no record"
    elif given < domain.fewest_fields:
        found.reasons[Need.RECORD] = (
            f"too little of the record: {given} of its {len(record)} fields, at least {domain.fewest_fields} are needed"
        )
    elif strange:
        found.reasons[Need.RECORD] = f"out of range, as seen in training: {', '.join(strange)}"
    else:
        found.parts.add(Need.RECORD)


def _judge_image(image: GrayImage | None, found: Usable) -> None:
    if image is None:
        found.reasons[Need.IMAGE] = "no image"
    elif image[::STRIDE, ::STRIDE].std() < BLANK:
        found.reasons[Need.IMAGE] = f"unreadable image: {IMAGE} is blank"
    else:
        found.parts.add(Need.IMAGE)


def _judge_mask(image: GrayImage, mask: Mask | None, domain: Domain, found: Usable) -> None:
    if mask is None:
        found.reasons[Need.MASK] = "no outline of the lesion"
        return
    pixels, fewest = int(np.count_nonzero(mask)), domain.rules.smallest_lesion
    if pixels < fewest:
        found.reasons[Need.MASK] = f"unreadable image: the lesion in {MASK} has {pixels} pixels, fewer than {fewest}"
        return
    found.parts.add(Need.MASK)
    if domain.descriptors:
        described = describe(image, mask)
        strange = outside(described, domain.descriptors)
        if strange:
            # An image unlike those of training is no better without its outline.
            found.parts -= {Need.IMAGE, Need.MASK}
            shown = ", ".join(strange[:3]) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
            found.reasons[Need.IMAGE] = f"out of range, as seen in training: image descriptors {shown}"
        else:
            found.descriptors = described
