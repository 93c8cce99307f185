"""Decoding of image files to a grayscale image or a binary mask; errors name the file, the defect and how to fix it.

DICOM and outlines in JSON have files of their own, which are imported when one is met.
"""

import io
import math
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

GrayImage = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]  # left, top, width, height

MAX_PIXELS = 8_500_000  # more than the 3840 x 2160 of the largest screens, little enough to decode in a request
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The first bytes of a file tell its format, whatever its name says.
_FORMATS = {_SIGNATURE: "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP"}
# Bits per pixel that scanners produce; deeper files are often filled with fewer bits than they could hold.
_DEPTHS = (8, 10, 12, 14, 16)
EXPORT_AGAIN = "export it again from its source"


class ImageDefect(ValueError):  # noqa: N818 - it names what is wrong with a file, as its message does
    """An image or mask that cannot be used: the file's name, what is wrong with it, and how to fix it (`mend`)."""

    def __init__(self, name: str, problem: str, mend: str) -> None:
        super().__init__(f"{name}: {problem}; {mend}")
        self.name, self.problem, self.mend = name, problem, mend

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.problem, self.mend)


class Dicom(NamedTuple):
    """What a DICOM file tells of its image.

    `shape`: (height, width) before it was cropped to `box` (None: it was not). `pixel_size_mm`: edge of a pixel, None
    where it is not known. `notes`: in words, by kind, what a person should know of it: frame, scale, identity, text.
    `frames`: how many the file has.
    """

    shape: tuple[int, int]
    box: Box | None
    pixel_size_mm: float | None
    notes: Mapping[str, str] = MappingProxyType({})
    frames: int = 1


class Picture(NamedTuple):
    """A decoded image, uint8 (height, width), and what the file has that `gray` does not show.

    `hidden_pixels` have colour but are not opaque. `bits` are those that the values use where the file holds more than
    8 per pixel, otherwise 8. `dicom` is there for DICOM alone.
    """

    gray: GrayImage
    hidden_pixels: int
    bits: int
    dicom: Dicom | None = None


def decode_picture(data: bytes, name: str, part: str = "") -> Picture:
    """Decode a PNG, JPEG, TIFF, BMP or DICOM of any colour type to grayscale, turned as its EXIF orientation says.

    `part`: number of a frame, of DICOM alone (see `dicom.decode_dicom`).

    Colour becomes luma (ITU-R BT.601). Deeper pixels keep the upper 8 of the bits they use: 12-bit values in a 16-bit
    file would otherwise be nearly black. Pixels that are not wholly opaque become 0: some scanners leave colour hidden
    under a transparent border. Raises `ImageDefect` where the data are empty, of another format, truncated or corrupt,
    or hold more than `MAX_PIXELS`, several frames or nothing opaque.
    """
    if is_dicom(data):
        from lesion_fusion.imaging.dicom import decode_dicom

        return decode_dicom(data, name, part)
    if part:
        raise ImageDefect(name, f"it has no part {part[:20]}, being no DICOM", "ask for no part of it")
    picture = _open(data, name)
    bits = 8
    if picture.mode.startswith("I"):
        deep = np.asarray(picture)
        gray, bits = upper_bits(deep, name)
        opaque = np.asarray(deep != picture.info.get("transparency", -1))
        coloured = np.broadcast_to(deep > 0, deep.shape)
    elif not picture.has_transparency_data:
        return Picture(np.array(picture.convert("L")), 0, bits)
    else:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        gray = np.array(rgba.convert("L"))
        # Channel by channel: a large picture takes less memory so.
        opaque = np.asarray(rgba.getchannel("A")) == 255
        coloured = np.zeros_like(opaque)
        for channel in "RGB":
            coloured |= np.asarray(rgba.getchannel(channel)) > 0
    if not opaque.any():
        raise ImageDefect(name, "every pixel is transparent", "save it without an alpha channel")
    gray[~opaque] = 0
    return Picture(gray, int((coloured & ~opaque).sum()), bits)


def upper_bits(deep: npt.NDArray[np.integer], name: str) -> tuple[npt.NDArray[np.uint8], int]:
    """Return the upper 8 of the bits that values use, and how many these are: 8, 10, 12, 14 or 16."""
    if deep.min() < 0 or deep.max() >= 1 << _DEPTHS[-1]:
        raise ImageDefect(name, f"its values, {deep.min()} to {deep.max()}, are no gray levels", EXPORT_AGAIN)
    bits = next(depth for depth in _DEPTHS if deep.max() < 1 << depth)
    return (deep >> bits - 8).astype(np.uint8), bits


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM by its content."""
    return data[128:132] == b"DICM"


def stated_pixels(data: bytes) -> int:
    """Return how many pixels a file says that it has, without decoding them; 0 where it says nothing."""
    if is_dicom(data):
        from lesion_fusion.imaging.dicom import dicom_pixels

        return dicom_pixels(data)
    if data.startswith(_SIGNATURE):
        # The first header, which is the one that counts.
        return math.prod(struct.unpack(">II", data[16:24])) if len(data) >= 24 else 0
    try:
        with Image.open(io.BytesIO(data), formats=list(set(_FORMATS.values()))) as opened:
            return math.prod(opened.size)
    # Damaged files raise errors of any type; decoding tells them.
    except Exception:
        return 0


def decode_image(data: bytes, name: str) -> GrayImage:
    """Return the pixels of `decode_picture`, uint8 (height, width)."""
    return decode_picture(data, name).gray


def decode_mask(data: bytes, name: str) -> Mask:
    """Decode a mask to bool (height, width): True where its red (or gray) channel exceeds 127, or a DICOM SEG.

    Alpha is ignored because masks are published with transparent black pixels, unless all is white: then the mask is
    in the alpha channel alone. Raises `ImageDefect` as `decode_picture`, and for values other than 0 and 255 or where
    nothing is marked.
    """
    if is_dicom(data):
        from lesion_fusion.imaging.dicom import decode_segmentation

        return _with_something(decode_segmentation(data, name), name)
    picture = _open(data, name)
    alpha = None
    if picture.mode.startswith("I"):
        deep = np.asarray(picture)
        red = np.where((deep == 0) | (deep == 65535), deep // 257, 1).astype(np.uint8)
    elif picture.mode == "L" and not picture.has_transparency_data:
        red = np.asarray(picture)
    else:
        rgba = picture if picture.mode == "RGBA" else picture.convert("RGBA")
        red, alpha = (np.asarray(rgba.getchannel(channel)) for channel in "RA")
        if (red == 255).all():
            red = alpha
    between = np.count_nonzero((red != 0) & (red != 255)) / red.size
    if between > 0:
        raise ImageDefect(
            name,
            f"not a binary mask, {between:.2%} of its pixels are neither 0 nor 255",
            "save it as PNG with 0 outside and 255 inside the structure, without smoothing or lossy compression",
        )
    only_alpha = alpha is not None and alpha.min() != alpha.max()
    problem = "it is black everywhere and differs in its transparency only" if only_alpha else "the mask is empty"
    return _with_something(red > 127, name, problem)


def _with_something(mask: Mask, name: str, problem: str = "the mask is empty") -> Mask:
    if not mask.any():
        mend = "mark the structure in white on black, or leave the file out for a case without one"
        raise ImageDefect(name, problem, mend)
    return mask


def fitted_mask(picture: Picture, mask: Mask, name: str) -> tuple[Mask, Box | None]:
    """Return a mask of its picture's size, and the box that it was cropped to; None where it was not.

    A mask of the whole frame is cropped as its image was. Raises `ImageDefect` as `check_same_size`, and for a mask
    that lies outside.
    """
    box = picture.dicom.box if picture.dicom is not None else None
    if picture.dicom is None or box is None or mask.shape != picture.dicom.shape or mask.shape == picture.gray.shape:
        check_same_size(picture.gray, mask, name)
        return mask, None
    mask = cut(mask, box)
    return _with_something(mask, name, "the mask lies outside the image's tissue region"), box


def cut(mask: Mask, box: Box) -> Mask:
    """Return the part of a mask that lies in a box."""
    left, top, width, height = box
    return mask[top : top + height, left : left + width]


def check_same_size(image: GrayImage, mask: Mask, name: str) -> None:
    """Raise `ImageDefect` for the mask called `name` if its size is not that of its image."""
    if image.shape != mask.shape:
        sizes = f"{mask.shape[1]} x {mask.shape[0]} pixels, its image {image.shape[1]} x {image.shape[0]}"
        raise ImageDefect(name, f"the mask is {sizes}", "draw the mask on this very image")


def _open(data: bytes, name: str) -> Image.Image:
    """Return the decoded picture, upright; the checks before Pillow decodes it keep out decompression bombs."""
    if not data:
        raise ImageDefect(name, "the file is empty", EXPORT_AGAIN)
    form = next((form for start, form in _FORMATS.items() if data.startswith(start)), "")
    if not form:
        problem = "not a PNG file, nor JPEG, TIFF, BMP or DICOM"
        raise ImageDefect(name, problem, "convert it to PNG; a new name is not enough")
    if form == "PNG":
        _check_chunks(data, name)
    try:
        with Image.open(io.BytesIO(data), formats=[form]) as opened:
            check_size(*opened.size, name)
            frames = getattr(opened, "n_frames", 1)
            if frames == 1:
                opened.load()
                picture = ImageOps.exif_transpose(opened)
    except (ImageDefect, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("", name) from None
    # The decoders of damaged files raise errors of any type.
    except Exception as error:
        raise ImageDefect(name, f"the {form} file is truncated or corrupt ({error})", EXPORT_AGAIN) from error
    if frames != 1:
        raise ImageDefect(name, "it holds several frames", "save the one frame that shows the lesion")
    if picture.mode == "F":
        raise ImageDefect(name, "its pixels are fractions", "save it with 8 or 16 bits per pixel")
    return picture


def _check_chunks(data: bytes, name: str) -> None:
    """Raise `ImageDefect` for a PNG that is cut short, too large, animated, or states its size twice.

    Pillow would believe the last header, wherever in the file it is.
    """
    chunks = list(_chunks(data))
    kinds = Counter(kind for kind, _ in chunks)
    if not kinds[b"IEND"] or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ImageDefect(name, "the PNG file is truncated or corrupt", EXPORT_AGAIN)
    width, height = struct.unpack(">II", chunks[0][1][:8])
    check_size(width, height, name)
    if kinds[b"IHDR"] > 1:
        raise ImageDefect(name, "the PNG file is corrupt: it has several headers", EXPORT_AGAIN)
    if any(kind == b"acTL" and content[:4] != b"\0\0\0\1" for kind, content in chunks):
        raise ImageDefect(name, "it holds several frames", "save the one frame that shows the lesion")


def check_size(width: int, height: int, name: str) -> None:
    """Raise `ImageDefect` for an image without pixels or with more than `MAX_PIXELS`."""
    if width == 0 or height == 0 or width * height > MAX_PIXELS:
        raise _too_large(f", {width} x {height} pixels,", name)


def _too_large(size: str, name: str) -> ImageDefect:
    problem = f"its size{size} is not between 1 and {MAX_PIXELS:,} pixels"
    return ImageDefect(name, problem, "check that it is an ultrasound frame and scale it down")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, content) of each chunk up to IEND or to the first that is cut short or not what its CRC says."""
    start = len(_SIGNATURE)
    while start + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[start : start + 8])
        end = start + 12 + length
        if end > len(data) or zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            return
        yield kind, data[start + 8 : end - 4]
        if kind == b"IEND":
            return
        start = end
