"""DICOM: one frame of an ultrasound image as gray levels, cropped to its tissue; or a segmentation as a mask."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, config, dcmread
from pydicom.encaps import get_frame
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, pixel_array
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000TransferSyntaxes, JPEGTransferSyntaxes, RLELossless

from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.imaging.png import EXPORT_AGAIN, Box, Dicom, ImageDefect, Mask, Picture, check_size, upper_bits

# pydicom's own warnings and log would show values of tags, names of patients among them.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\.")
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_IDENTIFYING = (
    *("PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthDate", "PatientAddress"),
    *("PatientTelephoneNumbers", "PatientMotherBirthName", "AccessionNumber", "InstitutionName", "InstitutionAddress"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "RequestingPhysician", "OperatorsName"),
)
_TWO_DIMENSIONS, _TISSUE, _CENTIMETRES = 1, 1, 3
# Of the two edges of a pixel, or of two regions; less is rounding.
_SAME_SCALE = 0.01


def decode_dicom(data: bytes, name: str, part: str = "") -> Picture:
    """Decode one frame of a DICOM image to grayscale, cropped to its two-dimensional tissue regions.

    `part`: number of the frame, from 1; "" for the first. Palette and colour become luma, inverted gray is turned, and
    deep pixels keep the upper 8 of the bits they use, as in `decode_picture`. Raises `ImageDefect` as it does, for
    regions that exceed the pixels, and for a compression that can't be undone.
    """
    with _plain(name):
        header = _header(data, name)
        shape = int(header.Rows), int(header.Columns)
        frames = _number(header, "NumberOfFrames", 1)
        if part and not (part.isascii() and part.isdigit() and 1 <= int(part) <= frames):
            raise ImageDefect(name, f"it has no frame {part[:20]}", f"give a number from 1 to {frames}")
        frame = int(part or 1)
        regions = _tissue(header)
        box = _box(regions, shape, name)
        gray, bits = _gray(_frame(data, header, frame - 1, name), header, name)
        if box is not None:
            left, top, width, height = box
            gray = gray[top : top + height, left : left + width].copy()
        pixel_size, problem = _pixel_size(header, regions)
        notes = {"frame": f"frame {frame} of {frames}" if frames > 1 and not part else "", "scale": problem}
        notes |= {"identity": ", ".join(_identifying(header)), "text": _burned_in(header)}
        found = {kind: words for kind, words in notes.items() if words}
        return Picture(gray, 0, bits, Dicom(shape, box, pixel_size, found, frames))


def decode_segmentation(data: bytes, name: str) -> Mask:
    """Return the mask of a DICOM segmentation of one segment in one frame, bool (height, width)."""
    with _plain(name):
        header = _header(data, name)
        if header.get("Modality") != "SEG":
            problem, fix = "it is a DICOM image and no segmentation", "save the mask as PNG or as DICOM SEG"
            raise ImageDefect(name, problem, fix)
        frames, segments = _number(header, "NumberOfFrames", 1), len(header.get("SegmentSequence") or [])
        if header.get("SegmentationType") != "BINARY" or frames != 1 or segments != 1:
            problem = f"it has {segments} segments in {frames} frames, or shares instead of yes and no"
            raise ImageDefect(name, problem, "save the lesion of one image as the one segment of a binary segmentation")
        return np.asarray(_frame(data, header, 0, name) > 0)


def dicom_pixels(data: bytes) -> int:
    """Return the number of pixels of a frame by a file's header; 0 where it says nothing."""
    try:
        with _plain(""):
            header = _header(data, "")
            return int(header.Rows) * int(header.Columns)
    except ImageDefect:
        return 0


@contextmanager
def _plain(name: str) -> Iterator[None]:
    """Turn any error of a damaged file, which may come with every tag and quote a value, into one sentence."""
    try:
        yield
    except (ImageDefect, MemoryError):
        raise
    except Exception:
        raise ImageDefect(name, "the DICOM file is truncated or corrupt", EXPORT_AGAIN) from None


def _header(data: bytes, name: str) -> Dataset:
    """Return all but the pixels; raises `ImageDefect` for a file without pixels, or larger than may be decoded."""
    meta = read_dataset(io.BytesIO(data[132:]), False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ImageDefect(name, "its header is deflated, so that its size can't be told", EXPORT_AGAIN)
    header = dcmread(io.BytesIO(data), stop_before_pixels=True)
    shape = _number(header, "Rows", 0), _number(header, "Columns", 0)
    if not all(shape):
        raise ImageDefect(name, "the DICOM file holds no image", "give the file with the pixels")
    check_size(shape[1], shape[0], name)
    return header


def _number(header: Dataset, keyword: str, default: int) -> int:
    value = header.get(keyword)
    return default if value in (None, "") else int(value)


def _frame(data: bytes, header: Dataset, index: int, name: str) -> np.ndarray:
    """Return one frame as it is stored, (height, width) or (height, width, 3) in RGB."""
    syntax = UID(header.file_meta.get("TransferSyntaxUID", ""))
    whole = None
    try:
        whole = dcmread(io.BytesIO(data))
        if syntax.is_compressed:
            frames = _number(header, "NumberOfFrames", 1)
            _check_frame(get_frame(whole.PixelData, index, number_of_frames=frames), header)
        return pixel_array(whole, index=index)
    except MemoryError:
        raise
    except Exception:
        if whole is not None and "PixelData" in whole and syntax.is_compressed and not _is_readable(syntax):
            problem = f"its pixels are compressed in a way that can't be read here ({syntax.name})"
            fix = "export it uncompressed, as RLE, JPEG or JPEG 2000, or as PNG"
            raise ImageDefect(name, problem, fix) from None
        raise ImageDefect(name, "the pixels of the DICOM file are truncated or corrupt", EXPORT_AGAIN) from None


def _is_readable(syntax: UID) -> bool:
    from pydicom.pixels import get_decoder

    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _check_frame(frame: bytes, header: Dataset) -> None:
    """Raise ValueError for a compressed frame that unpacks to another size than the header says: it may be any size."""
    syntax = header.file_meta.TransferSyntaxUID
    if syntax in (*JPEGTransferSyntaxes, *JPEG2000TransferSyntaxes):
        with Image.open(io.BytesIO(frame), formats=["JPEG", "JPEG2000"]) as opened:
            if opened.size != (int(header.Columns), int(header.Rows)):
                raise ValueError("another size")
    elif syntax == RLELossless:
        most = int(header.Rows) * int(header.Columns)
        starts = np.frombuffer(frame[:64], "<u4")
        ends = [*starts[2 : starts[0] + 1], len(frame)]
        if starts[0] > 15 or any(_unpacked(frame[a:b], most) > most for a, b in zip(starts[1:], ends, strict=False)):
            raise ValueError("another size")


def _unpacked(segment: bytes, most: int) -> int:
    """Return to how many bytes a run-length encoded segment unpacks, counted to a little more than `most`."""
    place = length = 0
    while place < len(segment) and length <= most + 1:
        head = segment[place]
        length += 257 - head if head > 128 else 0 if head == 128 else head + 1
        place += 2 if head > 128 else 1 if head == 128 else head + 2
    # A segment of an odd length is filled up with one byte.
    return length - 1 if length == most + 1 else length


def _gray(pixels: np.ndarray, header: Dataset, name: str) -> tuple[np.ndarray, int]:
    """Return a frame as uint8 (height, width), and the bits per pixel that it uses."""
    kind = str(header.get("PhotometricInterpretation", ""))
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, header)
    if kind == "MONOCHROME1":
        pixels = (1 << _number(header, "BitsStored", 8)) - 1 - pixels.astype(np.int64)
    bits = 8
    if pixels.dtype != np.uint8:
        pixels, bits = upper_bits(pixels.astype(np.int64), name)
    return (pixels if pixels.ndim == 2 else np.array(Image.fromarray(pixels).convert("L"))), bits


def _tissue(header: Dataset) -> list[Dataset]:
    """Return the regions that show tissue in two dimensions."""
    return [
        region
        for region in header.get("SequenceOfUltrasoundRegions") or []
        if region.get("RegionSpatialFormat") == _TWO_DIMENSIONS and region.get("RegionDataType") == _TISSUE
    ]


def _box(regions: Sequence[Dataset], shape: tuple[int, int], name: str) -> Box | None:
    """Return left, top, width and height of what encloses all regions; None without any."""
    if not regions:
        return None
    edges = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
    try:
        corners = np.array([[int(region[edge].value) for edge in edges] for region in regions])
    except (KeyError, TypeError, ValueError):
        raise ImageDefect(name, "a tissue region lacks its corners", EXPORT_AGAIN) from None
    (left, top), (right, bottom) = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    height, width = shape
    # The last pixel belongs to the region; some scanners write the one after it.
    if (corners[:, :2] >= corners[:, 2:]).any() or left < 0 or top < 0 or right > width or bottom > height:
        problem = f"a tissue region reaches from {left}, {top} to {right}, {bottom}, beyond {width} x {height} pixels"
        raise ImageDefect(name, problem, "export it with its whole frame: it was cut or scaled without its header")
    right, bottom = min(right, width - 1), min(bottom, height - 1)
    return int(left), int(top), int(right - left + 1), int(bottom - top + 1)


def _pixel_size(header: Dataset, regions: Sequence[Dataset]) -> tuple[float | None, str]:
    """Return the edge of a pixel in mm (None where it is not known), and why it is not, "" where nothing is stated."""
    edges = list(_edges(header, regions))
    if not edges:
        return None, ""
    if max(edges) > min(edges) * (1 + _SAME_SCALE):
        return None, f"pixels of {min(edges):.3g} to {max(edges):.3g} mm, not square or of two scales"
    size, column = round(float(np.mean(edges)), 6), COLUMN["pixel_size_mm"]
    assert column.low is not None
    assert column.high is not None
    if not column.low <= size <= column.high:
        return None, f"pixels of {size:.3g} mm, not {column.low:g} to {column.high:g}"
    return size, ""


def _edges(header: Dataset, regions: Sequence[Dataset]) -> Iterator[float]:
    """Yield all edges of pixels that are stated, in mm: those of the regions, or those of the whole image."""
    for region in regions:
        for axis in "XY":
            delta = _float(region.get(f"PhysicalDelta{axis}"))
            if region.get(f"PhysicalUnits{axis}Direction") == _CENTIMETRES and delta:
                yield 10 * abs(delta)
    spacing = header.get("PixelSpacing")
    if not regions and isinstance(spacing, MultiValue):
        yield from filter(None, map(_float, spacing))


def _float(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if np.isfinite(number) else 0.0


def _identifying(header: Dataset) -> list[str]:
    """Return the keywords of tags that identify somebody, never their values."""
    removed = header.get("PatientIdentityRemoved") == "YES"
    return [one for one in _IDENTIFYING if header.get(one) and not (removed and one in ("PatientName", "PatientID"))]


def _burned_in(header: Dataset) -> str:
    stated = header.get("BurnedInAnnotation")
    return "" if stated == "NO" else "text is burned in" if stated == "YES" else "not stated whether text is burned in"
