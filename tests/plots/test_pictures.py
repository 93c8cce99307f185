from __future__ import annotations

import io

import matplotlib.image
import numpy as np

from lesion_fusion.plots.pictures import Picture, picture_grid, side_by_side
from lesion_fusion.plots.style import as_png
from tests.reporting.toy import picture


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]


def test_pictures_side_by_side_keep_every_pixel() -> None:
    left, right = picture(30, 20), picture(24, 40)
    sheet = pixels(as_png(side_by_side([left, right])))
    assert sheet.shape == (40, 54, 3)
    assert np.array_equal(sheet[:20, :30], pixels(left))
    assert np.array_equal(sheet[:, 30:], pixels(right))
    assert (sheet[20:, :30] == 1).all()


def test_a_grid_places_every_picture_once_and_draws_outline_and_heat() -> None:
    mask = np.zeros((16, 16), dtype="uint8")
    mask[4:9, 4:9] = 255
    shown = Picture(mask, "text", mask, mask.astype("float32"))
    figure = picture_grid([("first", [shown, None]), ("second", [shown, Picture(mask)])], {"a": 1, "b": 1}, "title")
    assert len(figure.axes) == 3
    assert [len(axes.images) for axes in figure.axes] == [2, 2, 1]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1, 0]
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)
    assert boxes[0].y0 > boxes[1].y1
