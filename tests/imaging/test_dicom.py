"""DICOM: gray levels of one frame, cropped to its tissue; what can't be read, or identifies somebody, is told."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    UltrasoundImageStorage,
    generate_uid,
)

from lesion_fusion.imaging.png import ImageDefect, decode_mask, decode_picture, fitted_mask, stated_pixels

HEIGHT, WIDTH = 60, 80
GRAY = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


def region(x0: int, y0: int, x1: int, y1: int, form: int = 1, tissue: int = 1, delta: float = 0.01, ratio: float = 1.0):
    found = Dataset()
    found.RegionSpatialFormat, found.RegionDataType, found.RegionFlags = form, tissue, 0
    found.RegionLocationMinX0, found.RegionLocationMinY0 = x0, y0
    found.RegionLocationMaxX1, found.RegionLocationMaxY1 = x1, y1
    found.PhysicalUnitsXDirection = found.PhysicalUnitsYDirection = 3
    found.PhysicalDeltaX, found.PhysicalDeltaY = delta, delta * ratio
    return found


def ultrasound(pixels: np.ndarray = GRAY, kind: str = "MONOCHROME2", bits: int = 8, **tags) -> Dataset:
    """A file of one frame, or of several where `tags` has NumberOfFrames; identifies nobody."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = UltrasoundImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.Modality, made.BurnedInAnnotation = "US", "NO"
    colour = pixels.shape[-1] == 3
    made.Rows, made.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 3 if colour else 1, kind
    if colour:
        made.PlanarConfiguration = 0
    made.BitsAllocated, made.PixelRepresentation = 8 * pixels.dtype.itemsize, 0
    made.BitsStored, made.HighBit = bits, bits - 1
    made.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(made, name, value)
    return made


def written(dicom: Dataset) -> bytes:
    buffer = io.BytesIO()
    dicom.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def example(name: str, **tags) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = get_testdata_file(name, download=False)
        dicom = dcmread(path)
        for tag, value in tags.items():
            setattr(dicom, tag, value)
        return written(dicom) if tags else Path(path).read_bytes()


def test_gray_levels_are_those_of_the_file():
    picture = decode_picture(written(ultrasound()), "a.dcm")
    np.testing.assert_array_equal(picture.gray, GRAY)
    assert picture.dicom == ((HEIGHT, WIDTH), None, None, {}, 1)


def test_inverted_gray_is_turned():
    picture = decode_picture(written(ultrasound(kind="MONOCHROME1")), "a.dcm")
    np.testing.assert_array_equal(picture.gray, 255 - GRAY)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_pixels_are_scaled_as_those_of_a_png(bits, kind):
    deep = (GRAY.astype(np.uint16) << bits - 8) + 1
    deep[0, :2] = 0, (1 << bits) - 1
    shown = deep if kind == "MONOCHROME2" else (1 << bits) - 1 - deep
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    picture, same = (
        decode_picture(written(ultrasound(shown, kind, bits)), "a.dcm"),
        decode_picture(buffer.getvalue(), "b"),
    )
    np.testing.assert_array_equal(picture.gray, same.gray)
    assert picture.bits == same.bits == bits


def test_colour_and_palette_become_luma():
    red = np.zeros((4, 6, 3), dtype=np.uint8)
    red[..., 0] = 255
    assert (decode_picture(written(ultrasound(red, "RGB")), "a.dcm").gray == 76).all()
    # The index 7 stands for 200 in each colour.
    entries = np.full(256, 0, dtype="<u2")
    entries[7] = 200 << 8
    tags = {f"{one}PaletteColorLookupTableData": entries.tobytes() for one in ("Red", "Green", "Blue")}
    tags |= {f"{one}PaletteColorLookupTableDescriptor": [256, 0, 16] for one in ("Red", "Green", "Blue")}
    indices = np.full((4, 6), 7, dtype=np.uint8)
    indices[0] = 0
    gray = decode_picture(written(ultrasound(indices, "PALETTE COLOR", **tags)), "a.dcm").gray
    assert gray[1:].tolist() == [[200] * 6] * 3
    assert not gray[0].any()


def encapsulated(frames: list[bytes], syntax: str, kind: str, shape: tuple[int, ...]) -> Dataset:
    dicom = ultrasound(np.zeros(shape, np.uint8), kind, NumberOfFrames=len(frames), PixelData=encapsulate(frames))
    dicom.file_meta.TransferSyntaxUID = syntax
    dicom["PixelData"].VR = "OB"
    return dicom


@pytest.mark.parametrize(("syntax", "form"), [(JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")])
def test_compressed_frames_are_read_each_by_its_number(syntax, form):
    frames = []
    for level in (40, 90, 200):
        buffer = io.BytesIO()
        Image.new("L", (WIDTH, HEIGHT), level).save(buffer, form)
        frames.append(buffer.getvalue())
    data = written(encapsulated(frames, syntax, "MONOCHROME2", (HEIGHT, WIDTH)))
    for number, level in (("1", 40), ("2", 90), ("3", 200)):
        assert np.abs(decode_picture(data, "a.dcm", number).gray.astype(int) - level).max() <= 2
    unasked = decode_picture(data, "a.dcm")
    assert np.abs(unasked.gray.astype(int) - 40).max() <= 2
    assert unasked.dicom.notes == {"frame": "frame 1 of 3"}
    assert unasked.dicom.frames == 3
    for wrong in ("0", "4", "-1", "x", "²"):
        with pytest.raises(ImageDefect, match=rf"it has no frame {wrong}; give a number from 1 to 3"):
            decode_picture(data, "a.dcm", wrong)


def test_pixels_are_cropped_to_the_tissue_and_their_size_is_its_calibration():
    regions = [region(10, 5, 49, 34), region(50, 40, 70, 50, form=4, tissue=10, delta=0.5)]
    picture = decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=regions)), "a.dcm")
    np.testing.assert_array_equal(picture.gray, GRAY[5:35, 10:50])
    assert picture.dicom.box == (10, 5, 40, 30)
    assert picture.dicom.pixel_size_mm == pytest.approx(0.1)


def test_two_tissue_regions_are_kept_both():
    regions = [region(0, 0, 39, 59), region(40, 10, 79, 49)]
    picture = decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=regions)), "a.dcm")
    assert picture.gray.shape == (HEIGHT, WIDTH)
    assert picture.dicom.pixel_size_mm == pytest.approx(0.1)
    regions[1].PhysicalDeltaX = regions[1].PhysicalDeltaY = 0.02
    picture = decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=regions)), "a.dcm")
    assert picture.dicom.pixel_size_mm is None
    assert "0.1 to 0.2 mm" in picture.dicom.notes["scale"]


@pytest.mark.parametrize(("delta", "ratio"), [(0.01, 1.2), (0.00001, 1), (5.0, 1)])
def test_a_calibration_that_is_no_pixel_size_is_told(delta, ratio):
    regions = [region(0, 0, 79, 59, delta=delta, ratio=ratio)]
    picture = decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=regions)), "a.dcm")
    assert picture.dicom.pixel_size_mm is None
    assert " mm, not " in picture.dicom.notes["scale"]


def test_a_region_may_end_one_pixel_late_and_no_further():
    late = written(ultrasound(SequenceOfUltrasoundRegions=[region(0, 0, WIDTH, HEIGHT)]))
    np.testing.assert_array_equal(decode_picture(late, "a.dcm").gray, GRAY)
    for corners in ((0, 0, WIDTH + 1, 59), (0, 0, 79, HEIGHT + 1), (30, 0, 20, 59), (0, 0, 0, 0)):
        with pytest.raises(ImageDefect, match=r"a tissue region reaches from .* beyond 80 x 60 pixels"):
            decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=[region(*corners)])), "a.dcm")


@pytest.mark.parametrize(
    ("name", "region", "pixels"),
    [
        ("examples_palette.dcm", "120, 60 to 800, 518", "800 x 350"),
        ("examples_ybr_color.dcm", "84, 31 to 595, 414", "320 x 240"),
    ],
)
def test_regions_of_published_files_that_exceed_their_pixels_are_refused(name, region, pixels):
    with pytest.raises(ImageDefect, match=rf"{name}: a tissue region reaches from {region}, beyond {pixels} pixels"):
        decode_picture(example(name), name)


@pytest.mark.parametrize(
    ("name", "size"),
    [("examples_rgb_color.dcm", (240, 320)), ("examples_jpeg2k.dcm", (480, 640)), ("ExplVR_BigEnd.dcm", (60, 80))],
)
def test_published_ultrasound_files_are_read(name, size):
    picture = decode_picture(example(name), name)
    assert picture.gray.shape == size
    assert picture.gray.std() > 1
    assert stated_pixels(example(name)) == size[0] * size[1]


def test_published_files_without_their_wrong_regions_are_read():
    palette = decode_picture(example("examples_palette.dcm", SequenceOfUltrasoundRegions=[]), "a.dcm")
    assert palette.gray.shape == (350, 800)
    loop = example("examples_ybr_color.dcm", SequenceOfUltrasoundRegions=[])
    first, last = decode_picture(loop, "a.dcm"), decode_picture(loop, "a.dcm", "30")
    assert first.dicom.notes["frame"] == "frame 1 of 30"
    assert "frame" not in last.dicom.notes
    assert 0 < np.abs(first.gray.astype(int) - last.gray).mean() < 60


def test_identifying_tags_and_burned_in_text_are_named_and_no_value_is_told(caplog, capsys):
    tags = {"PatientName": "Doe^Jane", "PatientID": "4711-17", "InstitutionName": "St. Elsewhere"}
    dicom = ultrasound(**tags, StudyDate="17.3.1970")
    del dicom.BurnedInAnnotation
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        picture = decode_picture(written(dicom), "a.dcm")
    assert picture.dicom.notes == {
        "identity": "PatientName, PatientID, InstitutionName",
        "text": "not stated whether text is burned in",
    }
    said = (
        repr(picture.dicom) + caplog.text + "".join(capsys.readouterr()) + "".join(str(one.message) for one in warned)
    )
    assert not [value for value in (*tags.values(), "1970") if value in "".join(said)]
    dicom.PatientIdentityRemoved, dicom.BurnedInAnnotation, dicom.InstitutionName = "YES", "YES", ""
    assert decode_picture(written(dicom), "a.dcm").dicom.notes == {"text": "text is burned in"}


def test_a_compression_without_a_decoder_is_told_in_one_sentence():
    data = written(encapsulated([b"\xff\xd8\xff\xc3" + b"\0" * 60], JPEGLosslessSV1, "MONOCHROME2", (HEIGHT, WIDTH)))
    with pytest.raises(ImageDefect) as error:
        decode_picture(data, "a.dcm")
    assert str(error.value).startswith(
        "a.dcm: its pixels are compressed in a way that can't be read here (JPEG Lossless"
    )
    assert str(error.value).endswith("export it uncompressed, as RLE, JPEG or JPEG 2000, or as PNG")


def test_a_frame_that_unpacks_to_another_size_is_refused_before_it_does():
    buffer = io.BytesIO()
    Image.new("L", (12_000, 12_000)).save(buffer, "JPEG")
    bomb = written(encapsulated([buffer.getvalue()], JPEGBaseline8Bit, "MONOCHROME2", (HEIGHT, WIDTH)))
    header = np.zeros(16, "<u4")
    header[:2] = 1, 64
    runs = written(
        encapsulated([header.tobytes() + b"\x81\0" * 2_000_000], RLELossless, "MONOCHROME2", (HEIGHT, WIDTH))
    )
    for data in (bomb, runs):
        with pytest.raises(ImageDefect, match="the pixels of the DICOM file are truncated or corrupt"):
            decode_picture(data, "a.dcm")


def test_run_length_encoding_is_read():
    dicom = ultrasound()
    dicom.compress(RLELossless)
    np.testing.assert_array_equal(decode_picture(written(dicom), "a.dcm").gray, GRAY)


def test_what_is_no_image_too_large_deflated_or_damaged_is_refused():
    whole = written(ultrasound())
    with pytest.raises(ImageDefect, match="truncated or corrupt"):
        decode_picture(whole[:-200], "a.dcm")
    for length in range(132, 700, 7):
        with pytest.raises(ImageDefect):
            decode_picture(whole[:length], "a.dcm")
    with pytest.raises(ImageDefect, match="is not between 1 and 8,500,000 pixels"):
        decode_picture(written(ultrasound(Rows=60_000, Columns=60_000)), "a.dcm")
    with pytest.raises(ImageDefect, match="holds no image"):
        decode_picture(example("rtplan.dcm"), "a.dcm")
    deflated = ultrasound()
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(ImageDefect, match="its header is deflated"):
        decode_picture(written(deflated), "a.dcm")


def test_random_damage_ends_in_a_defect_or_in_an_image():
    random, whole = np.random.default_rng(0), written(ultrasound(SequenceOfUltrasoundRegions=[region(1, 1, 60, 50)]))
    for _ in range(150):
        damaged = np.frombuffer(whole, np.uint8).copy()
        places = random.integers(132, len(whole), 12) if random.random() < 0.3 else random.integers(132, 900, 6)
        damaged[places] = random.integers(0, 256, len(places))
        with suppress(ImageDefect):
            decode_picture(damaged.tobytes(), "a.dcm")


def segmentation(mask: np.ndarray, **tags) -> bytes:
    frames = mask.reshape(-1, *mask.shape[-2:])
    bits = np.packbits(frames.reshape(-1), bitorder="little").tobytes()
    made = ultrasound(mask[..., :1], Modality="SEG", SegmentationType="BINARY", SegmentSequence=[Dataset()])
    made.Rows, made.Columns, made.NumberOfFrames = *mask.shape[-2:], len(frames)
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit, made.PixelData = 0, bits + b"\0" * (len(bits) % 2)
    for name, value in tags.items():
        setattr(made, name, value)
    return written(made)


def test_a_segmentation_of_one_segment_is_a_mask():
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[20:30, 15:33] = 1
    np.testing.assert_array_equal(decode_mask(segmentation(mask), "m.dcm"), mask == 1)
    assert decode_mask(example("liver_1frame.dcm"), "m.dcm").any()
    for spoiled in (
        {"SegmentationType": "FRACTIONAL"},
        {"SegmentSequence": [Dataset(), Dataset()]},
    ):
        with pytest.raises(ImageDefect, match="save the lesion of one image as the one segment"):
            decode_mask(segmentation(mask, **spoiled), "m.dcm")
    with pytest.raises(ImageDefect, match="in 2 frames"):
        decode_mask(segmentation(np.stack([mask, mask])), "m.dcm")
    with pytest.raises(ImageDefect, match="a DICOM image and no segmentation"):
        decode_mask(written(ultrasound()), "m.dcm")
    with pytest.raises(ImageDefect, match="the mask is empty"):
        decode_mask(segmentation(np.zeros_like(mask)), "m.dcm")


def test_a_mask_of_the_whole_frame_is_cropped_as_its_image_is():
    picture = decode_picture(written(ultrasound(SequenceOfUltrasoundRegions=[region(10, 5, 49, 34)])), "a.dcm")
    whole = np.zeros((HEIGHT, WIDTH), dtype=bool)
    whole[8:20, 12:30] = True
    cropped, box = fitted_mask(picture, whole, "m")
    np.testing.assert_array_equal(cropped, whole[5:35, 10:50])
    assert box == (10, 5, 40, 30)
    assert fitted_mask(picture, cropped, "m")[1] is None
    with pytest.raises(ImageDefect, match="outside the image's tissue region"):
        fitted_mask(picture, np.roll(whole, 40, axis=0), "m")
    with pytest.raises(ImageDefect, match="draw the mask on this very image"):
        fitted_mask(picture, whole[:-1], "m")
