"""Outlines in JSON as masks: LabelMe, one file per image, and COCO, one file for one image or for all."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from lesion_fusion.errors import did_you_mean
from lesion_fusion.imaging.png import ImageDefect, Mask, check_size

_MOST_POINTS = 50_000
_SAVE_AGAIN = "save it again with the program that it was drawn with"
Points = list[tuple[float, float]]


class Outlines(NamedTuple):
    """Outlines of one image: its width and height, and the label and the corners of each outline."""

    width: int
    height: int
    shapes: list[tuple[str, Points]]


def decode_polygons(data: bytes, name: str, part: str = "") -> Mask:
    """Return the outlines of one image, merged, as bool (height, width): pixels whose centre lies inside.

    `part`: of a COCO file the image's name; after a further # the label to be taken, where an image has several.
    Raises `ImageDefect` for a file of another kind, damaged, without the image, or with other shapes than polygons,
    rectangles and circles.
    """
    content = _parsed(data, name)
    image, _, label = part.partition("#")
    if isinstance(content.get("shapes"), list):
        outlines, label = _label_me(content, name), part
    elif isinstance(content.get("annotations"), list) and isinstance(content.get("images"), list):
        outlines = _coco(content, image, name)
    else:
        raise ImageDefect(
            name, "it is JSON, but neither COCO nor LabelMe", "give polygons in one of the two, or a mask"
        )
    labels = sorted({one for one, _ in outlines.shapes})
    if not label and len(labels) > 1:
        fix = f"name the lesion's after the file, such as {name}#{labels[0]}"
        raise ImageDefect(name, f"its outlines have several labels: {', '.join(labels)[:80]}", fix)
    chosen = [points for one, points in outlines.shapes if not label or one == label]
    if not chosen:
        problem = f"it has no outline {label}" if label else "it has no outline of the image"
        hint = did_you_mean(label, labels) if label else ""
        raise ImageDefect(name, problem, f"outline the lesion, or leave the file out {hint}".strip())
    return _filled(chosen, outlines, name)


# One file may hold the outlines of all images, and is asked for each.
@lru_cache(maxsize=1)
def _parsed(data: bytes, name: str) -> Mapping[str, Any]:
    try:
        content = json.loads(data)
    # Nested too deep, too many digits, no UTF-8, no JSON.
    except (RecursionError, ValueError):
        raise ImageDefect(name, "the JSON is truncated or corrupt", _SAVE_AGAIN) from None
    return content if isinstance(content, Mapping) else {}


def _label_me(content: Mapping[str, Any], name: str) -> Outlines:
    width, height = _size(content.get("imageWidth"), content.get("imageHeight"), name)
    shapes = []
    for shape in content["shapes"]:
        given = shape if isinstance(shape, Mapping) else {}
        kind, points = given.get("shape_type", "polygon"), _pairs(given.get("points"), name)
        if kind == "rectangle" and len(points) == 2:
            (left, top), (right, bottom) = points
            points = [(left, top), (right, top), (right, bottom), (left, bottom)]
        elif kind == "circle" and len(points) == 2:
            points = _circle(*points)
        elif kind != "polygon":
            problem, fix = f"it holds a shape of the kind {str(kind)[:20]}", "draw a polygon, a rectangle or a circle"
            raise ImageDefect(name, problem, fix)
        shapes.append((str(given.get("label", ""))[:40], points))
    return Outlines(width, height, shapes)


def _circle(centre: tuple[float, float], edge: tuple[float, float]) -> Points:
    radius, turns = math.dist(centre, edge), np.linspace(0, 2 * math.pi, 180, endpoint=False)
    return [(centre[0] + radius * math.cos(turn), centre[1] + radius * math.sin(turn)) for turn in turns]


def _coco(content: Mapping[str, Any], image: str, name: str) -> Outlines:
    images = [one for one in content["images"] if isinstance(one, Mapping)]
    names = [_base(one.get("file_name")) for one in images]
    found = [one for one, called in zip(images, names, strict=True) if not image or called == image]
    if len(found) != 1:
        problem = f"it has {len(found)} images" + (f" called {image}" if image else "")
        raise ImageDefect(name, problem, f"name one after the file, as in {name}#{(names or ['image.png'])[0]}")
    width, height = _size(found[0].get("width"), found[0].get("height"), name)
    categories = [one for one in content.get("categories") or [] if isinstance(one, Mapping)]
    labels = {str(one.get("id")): str(one.get("name", ""))[:40] for one in categories}
    shapes = []
    for annotation in content["annotations"]:
        if not isinstance(annotation, Mapping) or annotation.get("image_id") != found[0].get("id"):
            continue
        polygons = annotation.get("segmentation")
        if not isinstance(polygons, list) or not polygons:
            problem = "an outline is run-length coded, or a box alone"
            raise ImageDefect(name, problem, "export polygons, or the mask as PNG")
        for flat in polygons:
            pairs = list(zip(flat[::2], flat[1::2], strict=False)) if isinstance(flat, list) else None
            label = labels.get(str(annotation.get("category_id")), "")
            shapes.append((label, _pairs(pairs, name)))
    return Outlines(width, height, shapes)


def image_names(data: bytes, name: str) -> list[str]:
    """Return the names of the images of a COCO file, without folders; none for JSON of another kind."""
    try:
        content = _parsed(data, name)
    except ImageDefect:
        return []
    images = content.get("images")
    return [_base(one.get("file_name")) for one in images or [] if isinstance(one, Mapping)]


def _base(file_name: Any) -> str:
    return PurePosixPath(PureWindowsPath(str(file_name)).as_posix()).name


def _size(width: Any, height: Any, name: str) -> tuple[int, int]:
    if not all(isinstance(edge, int) and not isinstance(edge, bool) for edge in (width, height)):
        raise ImageDefect(name, "it does not give its image's width and height in pixels", _SAVE_AGAIN)
    check_size(max(width, 0), max(height, 0), name)
    return width, height


def _pairs(points: Any, name: str) -> Points:
    """Return points as pairs of numbers; raises `ImageDefect` for anything else."""
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError, OverflowError):
        pairs = []
    if not pairs or not np.isfinite(pairs).all():
        raise ImageDefect(name, "an outline's points are not pairs of numbers", _SAVE_AGAIN)
    return pairs


def _filled(polygons: Sequence[Points], outlines: Outlines, name: str) -> Mask:
    if sum(map(len, polygons)) > _MOST_POINTS:
        raise ImageDefect(name, f"its outlines have more than {_MOST_POINTS:,} points", "draw them with fewer")
    mask = np.zeros((outlines.height, outlines.width), dtype=bool)
    for points in polygons:
        if len(points) < 3:
            raise ImageDefect(name, f"an outline has {len(points)} points", "draw a polygon of three or more")
        mask |= filled(np.array(points), mask.shape)
    if not mask.any():
        raise ImageDefect(name, "its outlines enclose no pixel of the image", "draw them on this very image")
    return mask


def filled(points: np.ndarray, shape: tuple[int, ...]) -> Mask:
    """Return which pixels of (height, width) have their centre inside a polygon (n, 2) of x, y; crossings alternate.

    The upper left corner of the image is 0, 0, so that the first pixel's centre is 0.5, 0.5.
    """
    height, width = shape
    crossed = np.zeros((height, width + 1), dtype=np.uint8)
    for rows, columns in _crossings(points, height):
        np.bitwise_xor.at(crossed, (rows, np.clip(columns, 0, width).astype(np.int64)), np.uint8(1))
    return np.bitwise_xor.accumulate(crossed, axis=1)[:, :width].astype(bool)


def _crossings(points: np.ndarray, height: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each edge the rows whose middle it crosses, and the first column whose centre is to its right."""
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, last = (math.ceil(np.clip(y, -1, height + 1) - 0.5) for y in sorted((y0, y1)))
        rows = np.arange(max(first, 0), min(last, height))
        if len(rows):
            yield rows, np.ceil(x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0)) - 0.5)
