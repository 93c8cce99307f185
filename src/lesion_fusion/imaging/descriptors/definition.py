"""What a descriptor is: its name, unit, group and meaning."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Group(StrEnum):
    """What a descriptor is about; `PHYSICAL` needs the pixel size, which tells the scanner, so it does not predict."""

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
