"""Outlines in JSON: COCO and LabelMe become masks; what is unclear or no polygon is told."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lesion_fusion.imaging.png import ImageDefect
from lesion_fusion.imaging.polygons import decode_polygons, filled

SQUARE = [[10, 5], [30, 5], [30, 25], [10, 25]]


def label_me(*shapes: dict, **fields) -> bytes:
    return json.dumps({"shapes": shapes, "imageWidth": 60, "imageHeight": 40, **fields}).encode()


def polygon(points=SQUARE, label: str = "lesion", kind: str = "polygon") -> dict:
    return {"label": label, "shape_type": kind, "points": points}


def coco(annotations: list[dict], images=("a.png", "folder/b.png")) -> bytes:
    named = [{"id": i, "file_name": name, "width": 60, "height": 40} for i, name in enumerate(images)]
    categories = [{"id": 1, "name": "lesion"}, {"id": 2, "name": "cyst"}]
    return json.dumps({"images": named, "annotations": annotations, "categories": categories}).encode()


def outline(image: int, points=SQUARE, category: int = 1) -> dict:
    return {"image_id": image, "category_id": category, "segmentation": [[x for point in points for x in point]]}


def square() -> np.ndarray:
    mask = np.zeros((40, 60), dtype=bool)
    mask[5:25, 10:30] = True
    return mask


def test_a_pixel_is_inside_where_its_centre_is():
    np.testing.assert_array_equal(filled(np.array(SQUARE), (40, 60)), square())
    np.testing.assert_array_equal(filled(np.array(SQUARE) + 0.4, (40, 60)), square())
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    circle = filled(np.stack([30 + 12.3 * np.cos(turns), 20 + 12.3 * np.sin(turns)], axis=1), (40, 60))
    rows, columns = np.mgrid[:40, :60] + 0.5
    assert (circle != (np.hypot(columns - 30, rows - 20) < 12.3)).sum() <= 2


def test_what_reaches_beyond_the_image_is_cut_off():
    wide = filled(np.array([[-100.0, -1e9], [20, -50], [20, 1e9], [-100, 90]]), (40, 60))
    np.testing.assert_array_equal(wide, np.tile(np.arange(60) < 20, (40, 1)))


def test_label_me_gives_polygons_rectangles_and_circles():
    np.testing.assert_array_equal(decode_polygons(label_me(polygon()), "a.json"), square())
    corners = polygon([SQUARE[0], SQUARE[2]], kind="rectangle")
    np.testing.assert_array_equal(decode_polygons(label_me(corners), "a.json"), square())
    circle = decode_polygons(label_me(polygon([[30, 20], [30, 30]], kind="circle")), "a.json")
    assert circle.sum() == pytest.approx(np.pi * 100, rel=0.02)
    both = label_me(polygon(), polygon([[40, 5], [50, 5], [50, 25], [40, 25]]))
    assert decode_polygons(both, "a.json").sum() == 600


def test_a_coco_file_gives_the_outline_of_the_image_that_is_named():
    other = [[x + 20, y] for x, y in SQUARE]
    data = coco([outline(0), outline(1, other)])
    np.testing.assert_array_equal(decode_polygons(data, "all.json", "a.png"), square())
    np.testing.assert_array_equal(decode_polygons(data, "all.json", "b.png"), np.roll(square(), 20, axis=1))
    np.testing.assert_array_equal(decode_polygons(coco([outline(0)], ["a.png"]), "a.json"), square())


def test_of_several_labels_one_has_to_be_named():
    two = label_me(polygon(), polygon([[40, 5], [50, 5], [50, 25]], label="calliper"))
    with pytest.raises(ImageDefect, match=r"several labels: calliper, lesion; name .* such as a\.json#calliper"):
        decode_polygons(two, "a.json")
    np.testing.assert_array_equal(decode_polygons(two, "a.json", "lesion"), square())
    data = coco([outline(0), outline(0, [[40, 5], [50, 5], [50, 25]], category=2)])
    np.testing.assert_array_equal(decode_polygons(data, "all.json", "a.png#lesion"), square())
    with pytest.raises(ImageDefect, match=r"no outline lesoin; outline the lesion.* Did you mean lesion\?"):
        decode_polygons(two, "a.json", "lesoin")


@pytest.mark.parametrize(
    ("data", "part", "words"),
    [
        (b'{"shapes": [', "", "truncated or corrupt"),
        (b"{" + b'"a":{' * 100_000, "", "truncated or corrupt"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "truncated or corrupt"),
        (b"{}", "", "neither COCO nor LabelMe"),
        (label_me(polygon(), imageWidth="60"), "", "does not give its image's width and height"),
        (label_me(polygon(), imageWidth=60_000, imageHeight=60_000), "", "is not between 1 and"),
        (label_me(polygon(kind="linestrip")), "", "a shape of the kind linestrip; draw a polygon"),
        (label_me(polygon([[1, 1], [5, "x"], [1, 5]])), "", "not pairs of numbers"),
        (label_me(polygon([[1, 1], [5, float("nan")], [1, 5]])), "", "not pairs of numbers"),
        (label_me(polygon([[1, 1], [5, 5]])), "", "an outline has 2 points"),
        (label_me(polygon([[100, 1], [150, 5], [100, 9]])), "", "enclose no pixel"),
        (label_me(polygon([[1, 1]] * 60_000)), "", "more than 50,000 points"),
        (label_me(), "", "no outline of the image"),
        (coco([outline(0)]), "", r"it has 2 images; name one after the file, as in a\.json#a\.png"),
        (coco([outline(0)]), "c.png", r"it has 0 images called c\.png"),
        (coco([outline(0)]), "b.png", "no outline of the image"),
        (coco([outline(0) | {"segmentation": {"counts": "abc", "size": [40, 60]}}]), "a.png", "run-length coded"),
        (coco([outline(0) | {"segmentation": []}]), "a.png", "a box alone"),
        (coco([outline(0) | {"segmentation": [7]}]), "a.png", "not pairs of numbers"),
    ],
)
def test_a_fault_is_told_with_how_to_fix_it(data, part, words):
    with pytest.raises(ImageDefect, match=words):
        decode_polygons(data, "a.json", part)


def test_random_damage_ends_in_a_defect_or_in_a_mask():
    random, whole = np.random.default_rng(0), label_me(polygon(), version="5.0.1", imagePath="a.png")
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            damaged[place] = random.integers(32, 127)
        try:
            decode_polygons(bytes(damaged), "a.json")
        except ImageDefect:
            refused += 1
    assert 0 < refused < 300
