"""Reduced pixels: means over equal areas, row i = image i, the whole image counted once."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.imaging.lesion_image import reduced_pixels


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 12, 12, 2)).astype("uint8")


def test_each_number_is_the_mean_of_its_area(images):
    areas = images.reshape(3, 4, 3, 4, 3, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(reduced_pixels(images, 4), areas.reshape(3, -1), rtol=1e-5)


@pytest.mark.parametrize("edge", [5, 7, 16])
def test_areas_that_divide_pixels_keep_the_mean_of_each_channel(images, edge: int):
    reduced = reduced_pixels(images, edge).reshape(3, edge * edge, 2)
    np.testing.assert_allclose(reduced.mean(axis=1), images.mean(axis=(1, 2)), rtol=1e-4)


def test_images_do_not_mix_and_their_number_does_not_matter(images, monkeypatch: pytest.MonkeyPatch):
    together = reduced_pixels(images, 4)
    monkeypatch.setattr("lesion_fusion.imaging.lesion_image._CHUNK", 2)
    np.testing.assert_array_equal(reduced_pixels(images, 4), together)
    np.testing.assert_array_equal(reduced_pixels(images[1:2], 4), together[1:2])
