"""Pictures in a report are those of the figures, pixel for pixel."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from lesion_fusion.reporting.page import data_uri


def test_a_picture_in_the_page_is_the_figure_itself():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype="uint8")
    pixels[..., 3] = 255
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    kind, content = data_uri(png.getvalue()).split(",")
    assert kind == "data:image/webp;base64"
    with Image.open(io.BytesIO(base64.b64decode(content))) as shown:
        np.testing.assert_array_equal(np.asarray(shown.convert("RGBA")), pixels)
