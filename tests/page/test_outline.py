"""Outline on the page: a traced mask stays itself, and every correction does what it says."""

from __future__ import annotations

import numpy as np
import pytest

from lesion_fusion.page.outline import Outline

SIZE = (240, 200)


def disc(radius: float = 40.0) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.hypot(columns - 120, rows - 90) < radius


def drawn(*points: tuple[float, float]) -> Outline:
    outline = Outline(SIZE)
    for point in points:
        outline = outline.add(point)
    return outline


SQUARE = ((20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0))


def test_a_traced_mask_is_itself_until_a_point_moves():
    outline = Outline.traced(disc())
    assert np.array_equal(outline.mask(), disc())
    polygon = outline.choose(0).shift(0, 0).mask()
    assert polygon is not None
    overlap = (polygon & disc()).sum() / (polygon | disc()).sum()
    assert overlap > 0.97
    assert np.allclose(np.argwhere(polygon).mean(0), np.argwhere(disc()).mean(0), atol=0.3)
    assert len(outline.points) < 40


def test_points_enclose_pixels_once_the_outline_is_finished():
    outline = drawn(*SQUARE)
    assert outline.mask() is None
    mask = outline.finish().mask()
    assert mask is not None
    assert mask.shape == (200, 240)
    assert mask.sum() == 40 * 40
    assert mask[20:60, 20:60].all()


@pytest.mark.parametrize("outline", [drawn(*SQUARE).finish(), Outline.ellipse(SIZE), Outline.traced(disc())])
def test_the_area_is_the_share_of_the_image_inside(outline: Outline):
    mask = outline.mask()
    assert mask is not None
    assert outline.area == pytest.approx(mask.mean(), rel=0.02)
    assert outline.shift(3, -2).area == pytest.approx(outline.area, rel=0.02)
    assert drawn(*SQUARE).area == 0


def test_two_points_are_no_outline():
    assert not drawn(*SQUARE[:2]).finish().closed


def test_a_click_on_a_side_adds_a_point_there_and_leaves_the_form():
    closed = drawn(*SQUARE).finish()
    assert closed.side_at((40, 22), 3)
    assert not closed.side_at((40, 40), 3)
    more = closed.add((40, 20))
    assert more.points[1] == (40, 20)
    assert more.chosen == 1
    assert np.array_equal(more.mask(), closed.mask())
    assert np.array_equal(closed.choose(2).split().mask(), closed.mask())


def test_a_chosen_point_moves_alone_and_otherwise_all_do():
    closed = drawn(*SQUARE).finish()
    assert closed.choose(0).shift(5, 0).points == ((25, 20), *SQUARE[1:])
    assert closed.shift(5, 7).points == tuple((x + 5, y + 7) for x, y in SQUARE)
    assert closed.scale(0.5).points[0] == pytest.approx((30, 30))


def test_points_stay_inside_the_image():
    far = drawn(*SQUARE).finish().shift(-500, 900)
    assert all(0 <= x <= SIZE[0] and 0 <= y <= SIZE[1] for x, y in far.points)


def test_the_last_three_points_stay():
    outline = drawn(*SQUARE).finish().choose(0).remove()
    assert len(outline.points) == 3
    assert outline.choose(1).remove().points == outline.points


def test_points_are_chosen_around_and_found_near_by():
    closed = drawn(*SQUARE).finish()
    assert closed.choose(4).chosen == 0
    assert closed.choose(-1).chosen == 3
    assert closed.point_at((58, 21), 5) == 1
    assert closed.point_at((40, 40), 5) is None


def test_an_ellipse_can_be_used_at_once():
    mask = Outline.ellipse(SIZE).mask()
    assert mask is not None
    assert 0.08 < mask.mean() < 0.15
