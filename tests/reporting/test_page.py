"""Pictures in a report look like the figures, and take little space."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from lesion_fusion.reporting.page import COLOUR_STEP, data_uri


def png_of(pixels: np.ndarray) -> bytes:
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return png.getvalue()


def shown_in_page(picture: bytes, photograph: bool) -> np.ndarray:
    kind, content = data_uri(picture, photograph).split(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as shown:
        return np.asarray(shown.convert("RGB")).astype(int)


def test_a_drawing_is_the_figure_but_for_differences_that_nobody_sees():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype="uint8")
    pixels[0], pixels[1] = 0, 255
    shown = shown_in_page(png_of(pixels), photograph=False)
    assert np.abs(shown - pixels).max() <= COLOUR_STEP / 2 + 0.5
    np.testing.assert_array_equal(shown[:2], pixels[:2])


@pytest.mark.parametrize("photograph", [True, False])
def test_pictures_keep_their_size_and_brightness(photograph: bool):
    across = np.linspace(0, 255, 120)
    pixels = np.repeat(np.tile(across, (80, 1))[..., np.newaxis], 3, axis=2).astype("uint8")
    shown = shown_in_page(png_of(pixels), photograph)
    assert shown.shape == pixels.shape
    assert np.abs(shown - pixels).mean() < 6


def test_a_photograph_takes_much_less_space_than_without_losses():
    noisy = np.random.default_rng(0).normal(128, 25, (120, 160)).clip(0, 255).astype("uint8")
    png = png_of(np.repeat(noisy[..., np.newaxis], 3, axis=2))
    assert len(data_uri(png, photograph=True)) < 0.7 * len(png)
