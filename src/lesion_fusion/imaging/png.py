"""Decoding of PNG bytes to a grayscale image or a binary mask; errors name the file, the defect and how to fix it."""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

GrayImage = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

MAX_PIXELS = 25_000_000  # larger than any ultrasound frame, small enough to decode in a request
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EXPORT_AGAIN = "export it again from its source"


class ImageDefect(ValueError):  # noqa: N818 - it names what is wrong with a file, as its message does
    """An image or mask that cannot be used: the file's name, what is wrong with it, and how to fix it (`mend`)."""

    def __init__(self, name: str, problem: str, mend: str) -> None:
        super().__init__(f"{name}: {problem}; {mend}")
        self.name, self.problem, self.mend = name, problem, mend

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.problem, self.mend)


def decode_image(data: bytes, name: str) -> GrayImage:
    """Decode a PNG of any colour type to grayscale, uint8 (height, width).

    Colour becomes luma (ITU-R BT.601), 16 bits become their upper 8. Pixels that are not wholly opaque become 0: some
    scanners leave colour hidden under a transparent border. Raises `ImageDefect` where the data are empty, not a PNG,
    truncated or corrupt, or hold more than `MAX_PIXELS`, several frames or nothing opaque.
    """
    picture = _open(data, name)
    if picture.mode.startswith("I"):
        deep = np.asarray(picture)
        gray = (deep >> 8).astype(np.uint8)
        opaque = deep != picture.info.get("transparency", -1)
    elif picture.mode in ("L", "RGB") and "transparency" not in picture.info:
        return np.array(picture.convert("L"))
    else:
        coloured = picture.convert("RGBA")
        gray = np.array(coloured.convert("L"))
        opaque = np.asarray(coloured.getchannel("A")) == 255
    if not opaque.any():
        raise ImageDefect(name, "every pixel is transparent", "save it without an alpha channel")
    gray[~opaque] = 0
    return gray


def decode_mask(data: bytes, name: str) -> Mask:
    """Decode a PNG mask to bool (height, width): True where its red (or gray) channel exceeds 127.

    Alpha is ignored because masks are published with transparent black pixels. Raises `ImageDefect` as `decode_image`,
    and for values other than 0 and 255 or where nothing is marked.
    """
    picture = _open(data, name)
    if picture.mode.startswith("I"):
        red = (np.asarray(picture) >> 8).astype(np.uint8)
    elif picture.mode == "L":
        red = np.asarray(picture)
    else:
        red = np.asarray((picture if picture.mode == "RGB" else picture.convert("RGBA")).getchannel("R"))
    between = np.count_nonzero((red != 0) & (red != 255)) / red.size
    if between > 0:
        raise ImageDefect(
            name,
            f"not a binary mask, {between:.2%} of its pixels are neither 0 nor 255",
            "save it with 0 outside and 255 inside the structure, without smoothing or lossy compression",
        )
    mask = red > 127
    if not mask.any():
        raise ImageDefect(name, "the mask is empty", "mark the structure, or leave the file out for a case without one")
    return mask


def check_same_size(image: GrayImage, mask: Mask, name: str) -> None:
    """Raise `ImageDefect` for the mask called `name` if its size is not that of its image."""
    if image.shape != mask.shape:
        sizes = f"{mask.shape[1]} x {mask.shape[0]} pixels, its image {image.shape[1]} x {image.shape[0]}"
        raise ImageDefect(name, f"the mask is {sizes}", "draw the mask on this very image")


def _open(data: bytes, name: str) -> Image.Image:
    """Return the decoded picture; the checks before Pillow decodes it keep out decompression bombs and warnings."""
    if not data:
        raise ImageDefect(name, "the file is empty", _EXPORT_AGAIN)
    if not data.startswith(_SIGNATURE):
        raise ImageDefect(name, "not a PNG file", "convert it to PNG; a new file extension is not enough")
    chunks = dict(_chunks(data))
    if b"IEND" not in chunks or len(chunks.get(b"IHDR", b"")) != 13:
        raise ImageDefect(name, "the PNG file is truncated or corrupt", _EXPORT_AGAIN)
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    if width == 0 or height == 0 or width * height > MAX_PIXELS:
        problem = f"its size, {width} x {height} pixels, is not between 1 and {MAX_PIXELS:,} pixels"
        raise ImageDefect(name, problem, "check that it is an ultrasound frame and scale it down")
    if chunks.get(b"acTL", b"\0\0\0\1")[:4] != b"\0\0\0\1":
        raise ImageDefect(name, "it holds several frames", "save the one frame that shows the lesion")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ImageDefect(name, f"the PNG file is truncated or corrupt ({error})", _EXPORT_AGAIN) from error


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of each complete chunk, up to IEND."""
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        if end > len(data):
            return
        yield kind, data[start + 8 : end - 4]
        if kind == b"IEND":
            return
        start = end
