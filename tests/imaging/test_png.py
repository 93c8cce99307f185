import hashlib
import io
import os
import pickle
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from lesion_fusion.imaging import png
from lesion_fusion.imaging.png import ImageDefect, check_same_size, decode_image, decode_mask, decode_picture

GRAY = np.arange(12 * 9, dtype=np.uint8).reshape(9, 12) * 2


def encode(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return buffer.getvalue()


def gray_png() -> bytes:
    return encode(Image.fromarray(GRAY))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def header_only(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_pixels_are_those_that_earlier_results_were_made_of():
    """Digests of what the readers gave before they knew DICOM, of every colour type."""
    random = np.random.default_rng(8).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    random[..., 3] = np.where(random[..., 3] < 128, 255, random[..., 3])
    picture, files = Image.fromarray(random), []
    kinds = [picture, *(picture.convert(mode) for mode in ("L", "LA", "RGB", "P", "1"))]
    kinds.append(Image.fromarray(random[..., 0].astype(np.uint16) * 17))
    files += [encode(kind) for kind in kinds]
    for form in ("BMP", "TIFF"):
        buffer = io.BytesIO()
        picture.convert("RGB").save(buffer, form)
        files.append(buffer.getvalue())
    found = hashlib.sha256()
    for data in files:
        gray, hidden, bits, dicom = decode_picture(data, "a")
        assert dicom is None
        found.update(gray.tobytes() + bytes([bits]) + str(hidden).encode())
    assert found.hexdigest()[:16] == "f09159267659242c"


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_gray_values_survive_every_colour_type(mode):
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(GRAY).convert(mode)), "a.png"), GRAY)


def test_palette_becomes_gray():
    picture = Image.fromarray(GRAY).convert("P")
    np.testing.assert_array_equal(decode_image(encode(picture), "a.png"), GRAY)


def test_sixteen_bits_keep_the_upper_eight():
    deep = GRAY.astype(np.uint16) * 256 + 77
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(deep)), "a.png"), GRAY)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_deep_pixels_are_scaled_by_the_bits_that_they_use(bits):
    deep = (GRAY.astype(np.uint32) + 41 << bits - 8).astype(np.uint16)
    picture = decode_picture(encode(Image.fromarray(deep)), "a.png")
    np.testing.assert_array_equal(picture.gray, GRAY + 41)
    assert picture.bits == bits


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_other_formats_are_read_by_their_first_bytes(form):
    smooth = np.tile(np.linspace(20, 230, 64).astype(np.uint8), (48, 1))
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, form)
    assert np.abs(decode_image(buffer.getvalue(), "a.png").astype(int) - smooth).max() <= 2


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF"])
def test_an_image_is_turned_as_its_exif_orientation_says(form):
    smooth = np.tile(np.linspace(20, 230, 64).astype(np.uint8), (48, 1))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned by 90 degrees clockwise
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, form, exif=exif)
    turned = decode_image(buffer.getvalue(), "a.png")
    assert np.abs(turned.astype(int) - np.rot90(smooth, -1)).max() <= 2


@pytest.mark.parametrize("decode", [decode_image, decode_mask])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_second_header_is_refused_before_its_pixels_take_memory(decode, channels):
    hidden = struct.pack(">IIBBBBB", 14_000, 14_000, 8, {1: 0, 4: 6}[channels], 0, 0, 0)
    data = gray_png()[:-12] + chunk(b"IHDR", hidden) + chunk(b"IEND", b"")
    with pytest.raises(ImageDefect, match=r"a\.png: the PNG file is corrupt: it has several headers"):
        decode(data, "a.png")


@pytest.mark.medium
@pytest.mark.parametrize("form", ["TIFF", "BMP"])
def test_a_bomb_of_another_format_is_refused(form):
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, form, **({"compression": "group4"} if form == "TIFF" else {}))
    with pytest.raises(ImageDefect, match="is not between 1 and 8,500,000 pixels"):
        decode_image(buffer.getvalue(), "a.tif")


def test_a_mask_in_the_alpha_channel_of_a_white_picture_is_read():
    alpha = np.zeros((6, 6), dtype=np.uint8)
    alpha[2:4, 2:5] = 255
    white = np.dstack([np.full((6, 6, 3), 255, dtype=np.uint8), alpha])
    np.testing.assert_array_equal(decode_mask(encode(Image.fromarray(white)), "m.png"), alpha == 255)
    black = np.dstack([np.zeros((6, 6, 3), dtype=np.uint8), alpha])
    with pytest.raises(ImageDefect, match=r"differs in its transparency only; mark the structure in white on black"):
        decode_mask(encode(Image.fromarray(black)), "m.png")


def test_one_bit_becomes_black_and_white():
    bits = GRAY > 100
    np.testing.assert_array_equal(decode_image(encode(Image.fromarray(bits)), "a.png"), bits * np.uint8(255))
    np.testing.assert_array_equal(decode_mask(encode(Image.fromarray(bits)), "a.png"), bits)


def test_colour_becomes_luma():
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    assert decode_image(encode(picture), "a.png").tolist() == [[76] * 4] * 4


@pytest.mark.parametrize("alpha", [0, 128, 254])
def test_colour_hidden_under_transparency_is_zeroed(alpha):
    rgba = np.full((6, 6, 4), 200, dtype=np.uint8)
    rgba[..., 3] = 255
    rgba[:2, :, 3] = alpha
    gray = decode_image(encode(Image.fromarray(rgba)), "a.png")
    assert (gray[:2] == 0).all()
    assert (gray[2:] == 200).all()


def test_palette_entry_declared_transparent_is_zeroed():
    picture = Image.fromarray(GRAY).convert("P")
    index = int(np.asarray(picture)[4, 4])
    gray = decode_image(encode(picture, transparency=index), "a.png")
    assert gray[4, 4] == 0
    assert gray[4, 5] == GRAY[4, 5]


def test_mask_is_read_from_red_whatever_its_alpha():
    rgba = np.zeros((6, 6, 4), dtype=np.uint8)
    rgba[2:4, 2:5, 0] = 255
    mask = decode_mask(encode(Image.fromarray(rgba)), "m.png")
    np.testing.assert_array_equal(mask, rgba[..., 0] == 255)


def test_soft_mask_is_refused_with_its_share_of_in_between_values():
    soft = np.zeros((10, 10), dtype=np.uint8)
    soft[3:6, 3:6] = 255
    soft[6, 3:6] = 130
    with pytest.raises(ImageDefect, match=r"case1_tumor\.png: not a binary mask, 3\.00% of its pixels"):
        decode_mask(encode(Image.fromarray(soft)), "case1_tumor.png")


def test_empty_mask_is_refused():
    with pytest.raises(ImageDefect, match=r"case1_tumor\.png: the mask is empty"):
        decode_mask(encode(Image.new("L", (5, 5))), "case1_tumor.png")


BROKEN = {
    "the file is empty": b"",
    "not a PNG file": b"%PDF-1.7",
    "truncated or corrupt": gray_png()[:-20],
    "truncated or corrupt; export": gray_png().replace(b"IDATx", b"IDAT\xff", 1),
    "is not between 1 and": header_only(60_000, 60_000),
    "truncated or corrupt (image file is truncated": header_only(50, 50),
    "several frames": encode(
        Image.new("L", (5, 5)), save_all=True, append_images=[Image.new("L", (5, 5), 9)], default_image=False
    ),
    "every pixel is transparent": encode(Image.new("RGBA", (5, 5), (9, 9, 9, 0))),
}


@pytest.mark.parametrize("problem", BROKEN)
def test_a_broken_file_names_itself_and_its_mend_without_warnings(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ImageDefect) as caught:
            decode_image(BROKEN[problem], "case042.png")
    assert str(caught.value).startswith("case042.png: ")
    assert problem in str(caught.value)
    assert caught.value.mend in str(caught.value)


def test_every_truncation_and_every_flipped_byte_is_decoded_or_refused():
    data = gray_png()
    for cut in range(len(data)):
        with pytest.raises(ImageDefect):
            decode_image(data[:cut], "a.png")
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x41
        try:
            decode_image(bytes(broken), "a.png")
        except ImageDefect:
            continue


def test_mask_of_another_size_is_refused_by_name():
    image = np.zeros((20, 30), dtype=np.uint8)
    check_same_size(image, np.ones((20, 30), dtype=bool), "m.png")
    with pytest.raises(ImageDefect, match=r"m\.png: the mask is 20 x 30 pixels, its image 30 x 20"):
        check_same_size(image, np.ones((30, 20), dtype=bool), "m.png")


def test_defect_survives_a_process_boundary():
    defect = pickle.loads(pickle.dumps(ImageDefect("a.png", "broken", "mend it")))
    assert (defect.name, defect.problem, defect.mend) == ("a.png", "broken", "mend it")


def test_the_frame_of_any_screen_is_taken():
    assert png.MAX_PIXELS >= 3840 * 2160


@pytest.mark.real_data
@pytest.mark.parametrize("case", ["005", "011", "077", "101", "112", "144", "215", "216"])
def test_hidden_colour_of_real_cases_is_zeroed(case):
    folder = os.environ.get("LESION_FUSION_DATA")
    if not folder:
        pytest.skip("LESION_FUSION_DATA is not set")
    path = next(Path(folder).rglob(f"case{case}.png"))
    rgba = np.asarray(Image.open(path))
    hidden = rgba[..., 3] < 255
    assert rgba[hidden][:, :3].max() > 0
    gray = decode_image(path.read_bytes(), path.name)
    assert gray[hidden].max() == 0
    assert gray[~hidden].max() > 100
