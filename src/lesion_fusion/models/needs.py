"""What a model can't answer without, and what a request can give."""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum

from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.models.inputs import FittedModel


class Need(StrEnum):
    """A part of a case: the patient's record, the B-mode image, the outline of the lesion in it."""

    RECORD = "record"
    IMAGE = "image"
    MASK = "mask"


# What is left of a case without each part; an outline without its image is of no use.
WITHOUT: dict[Need, frozenset[Need]] = {
    Need.IMAGE: frozenset({Need.RECORD}),
    Need.RECORD: frozenset({Need.IMAGE, Need.MASK}),
    Need.MASK: frozenset({Need.RECORD, Need.IMAGE}),
}

# Everything that a request can give and be answered: all parts, all but one, the image alone.
GIVEN: tuple[frozenset[Need], ...] = (frozenset(Need), *WITHOUT.values(), frozenset({Need.IMAGE}))


def needs_of(model: FittedModel) -> frozenset[Need]:
    """Return the parts of a case that `model` can't answer without; single fields of a record may be missing."""
    found = set()
    if model.record_columns:
        found.add(Need.RECORD)
    if model.uses_descriptors or model.image_inputs:
        found.add(Need.IMAGE)
    if model.uses_descriptors or any(image_input.needs_mask for image_input in model.image_inputs):
        found.add(Need.MASK)
    return frozenset(found)


def can_answer(model: FittedModel, given: Set[Need]) -> bool:
    """Return whether what is `given` of a case is enough for `model`."""
    return needs_of(model) <= given


def efforts_of(model: FittedModel) -> tuple[str, ...]:
    """Return what a site must have to use `model`: the roles of the record's columns, `image`, `mask`."""
    roles = dict.fromkeys(COLUMN[name].role.value for name in model.record_columns)
    return (*roles, *(need.value for need in Need if need in needs_of(model) - {Need.RECORD}))
