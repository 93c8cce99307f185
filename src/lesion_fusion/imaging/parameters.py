"""Parameters of what a network sees of a case."""

from __future__ import annotations

from pydantic import Field

from lesion_fusion.imaging.masks import MaskSelection, WithoutMask
from lesion_fusion.imaging.regions import ImageVariant, channels_of
from lesion_fusion.parameters import Parameters


class ImageInput(Parameters):
    """How image and masks become `lesion_images.<name>` (see `regions.image_input`).

    `size`: edge of the square, pixels. `margin`: surroundings of a crop, as a share of the lesion's longer side.
    `masks`: the lesion's own mask, or with it those of other structures, as the published study did.
    """

    variant: ImageVariant = "crop_with_mask"
    size: int = Field(default=128, ge=16, le=1024)
    margin: float = Field(default=0.25, ge=0, le=4)
    masks: MaskSelection = "tumor"
    without_mask: WithoutMask = "whole"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one case's input."""
        return self.size, self.size, channels_of(self.variant)

    @property
    def needs_mask(self) -> bool:
        """Whether it can't be made without the lesion's outline."""
        return self.variant != "whole"
