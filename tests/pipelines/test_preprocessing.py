"""The images and masks that networks read."""

from __future__ import annotations

import numpy as np

from lesion_fusion.imaging.case_files import lesion_masks
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from tests.models.toy import small_cohort

INPUT = ImageInput(size=24)


def test_the_masks_of_an_input_are_its_mask_channel():
    cohort = small_cohort()
    cases = cohort.inputs.cases
    masks = np.stack(list(lesion_masks(cases, cohort.masks, INPUT)))
    images = np.stack(list(make_lesion_images(cases, cohort.images, cohort.masks, INPUT).rows))
    np.testing.assert_array_equal(masks, images[..., 1])
