"""The parts of a case that a model may answer from: given, readable, and like those it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lesion_fusion.imaging.descriptors import describe
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.models.base import FittedModel, Need
from lesion_fusion.models.domain import Domain, outside
from lesion_fusion.serving.request import Record
from lesion_fusion.serving.schema import IMAGE, MASK

# Gray levels; an image whose pixels vary less than this shows no tissue. Only every `STRIDE`th row and column counts.
BLANK = 2.0
STRIDE = 4


@dataclass
class Usable:
    """Parts of a case that may be used, why others that the model needs may not, and its image's descriptors.

    `thin_record`: the record has too few fields, and is used for want of anything better.
    """

    parts: set[Need] = field(default_factory=set)
    reasons: dict[Need, str] = field(default_factory=dict)
    descriptors: dict[str, float] | None = None
    thin_record: bool = False

    def judge(self, part: Need, fault: str) -> None:
        """Note that a part may be used, or why not."""
        if fault:
            self.reasons[part] = fault
        else:
            self.parts.add(part)


def usable(record: Record, image: GrayImage | None, mask: Mask | None, model: FittedModel, domain: Domain) -> Usable:
    """Return what `model` may use of a case (None where not given)."""
    found, needs = Usable(), model.needs
    if Need.RECORD in needs:
        found.judge(Need.RECORD, _record_fault(record, domain))
    if Need.IMAGE in needs:
        blank = image is not None and is_blank(image)
        found.judge(Need.IMAGE, "no image" if image is None else f"unreadable image: {IMAGE} is blank" if blank else "")
    if Need.MASK in needs and image is not None and Need.IMAGE in found.parts:
        found.judge(Need.MASK, _mask_fault(mask, domain))
        if mask is not None and Need.MASK in found.parts and domain.descriptors:
            _judge_descriptors(image, mask, domain, found)
    if 0 < _given(record) < domain.fewest_fields and model.reduced(found.parts) is None:
        found.parts.add(Need.RECORD)
        found.thin_record = True
    return found


def is_blank(image: GrayImage) -> bool:
    """Return whether an image, uint8 (height, width), shows no tissue."""
    return bool(image[::STRIDE, ::STRIDE].std() < BLANK)


def _given(record: Record) -> int:
    return sum(value is not None for value in record.values())


def _record_fault(record: Record, domain: Domain) -> str:
    given, fewest = _given(record), domain.fewest_fields
    if given == 0:
        return "no record"
    if given < fewest:
        return f"too little of the record: {given} of its {len(record)} fields, at least {fewest} are needed"
    numbers = {name: value for name, value in record.items() if isinstance(value, float)}
    strange = outside(numbers, domain.numbers)
    return f"out of range, as seen in training: {', '.join(strange)}" if strange else ""


def _mask_fault(mask: Mask | None, domain: Domain) -> str:
    if mask is None:
        return "no outline of the lesion"
    pixels, fewest = int(np.count_nonzero(mask)), domain.rules.smallest_lesion
    return f"unreadable image: the lesion in {MASK} has {pixels} pixels, fewer than {fewest}" if pixels < fewest else ""


def _judge_descriptors(image: GrayImage, mask: Mask, domain: Domain, found: Usable) -> None:
    described = describe(image, mask)
    strange = outside(described, domain.descriptors)
    if strange:
        # An image unlike those of training is no better without its outline.
        found.parts -= {Need.IMAGE, Need.MASK}
        shown = ", ".join(strange[:3]) + (f" and {len(strange) - 3} more" if len(strange) > 3 else "")
        found.reasons[Need.IMAGE] = f"out of range, as seen in training: image descriptors {shown}"
    else:
        found.descriptors = described
