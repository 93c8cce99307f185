"""What a table's cell names: a file, or a part of one after #, and what of a mask lies in a cropped image.

`loop.dcm#12` is the twelfth frame of a loop, `outlines.json#a.png` the outline of one image in a COCO file, and
`a.png#xywh=120,60,680,290` a mask of a whole frame whose image was cropped to these left, top, width and height.
"""

import io
import re
from collections.abc import Callable, Collection, Mapping

import numpy as np
from PIL import Image

from lesion_fusion.imaging.png import Box, GrayImage, ImageDefect, Mask, Picture, cut, decode_mask, decode_picture
from lesion_fusion.imaging.polygons import decode_polygons, image_names

Files = Mapping[str, Callable[[], bytes]]  # from a file's name to a function that reads its bytes
_BOX = re.compile(r"(.+)#xywh=(\d+),(\d+),(\d+),(\d+)")


def file_and_part(reference: str, files: Collection[str]) -> tuple[str, str]:
    """Return the file that a reference names and which part of it; a name that is no file comes back whole."""
    places = [i for i, sign in enumerate(reference) if sign == "#"]
    found = next((i for i in reversed(places) if reference[:i] in files), None)
    if reference in files or found is None:
        return reference, ""
    return reference[:found], reference[found + 1 :]


def read_picture(files: Files, reference: str) -> Picture:
    """Return the image that a reference names; raises KeyError where there is no such file, and `ImageDefect`."""
    file, part = file_and_part(reference, files)
    return decode_picture(files[file](), reference, part)


def read_mask(files: Files, reference: str) -> Mask:
    """Return the mask that a reference names, cropped as it says; raises KeyError and `ImageDefect`."""
    whole, box = _without_box(reference)
    file, part = file_and_part(whole, files)
    data = files[file]()
    if data.lstrip()[:1] == b"{":
        mask = decode_polygons(data, whole, part)
    elif part:
        raise ImageDefect(whole, "it has no parts, being no COCO or LabelMe file", "name the file alone")
    else:
        mask = decode_mask(data, whole)
    return mask if box is None else cut(mask, box)


def outlined_images(files: Files, name: str) -> list[str]:
    """Return the images that a file has outlines of by their names; none for a file that is no COCO."""
    return image_names(files[name](), name) if name.lower().endswith(".json") else []


def with_box(reference: str, box: Box) -> str:
    """Return the reference of a mask of a whole frame, cropped."""
    return f"{reference}#xywh={','.join(map(str, box))}"


def as_png(pixels: GrayImage | Mask) -> bytes:
    """Return an image, or a mask as 0 and 255, as a PNG file."""
    gray = pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, "PNG")
    return buffer.getvalue()


def _without_box(reference: str) -> tuple[str, Box | None]:
    found = _BOX.fullmatch(reference)
    if found is None:
        return reference, None
    left, top, width, height = map(int, found.groups()[1:])
    return found.group(1), (left, top, width, height)
