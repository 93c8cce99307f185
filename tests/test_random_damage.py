"""Random damage to images, tables and configuration ends in the project's own error, and changes no value in silence.

Each kind is damaged a few times in every run of the tests, and 150 times in a slow one.
"""

from __future__ import annotations

import copy
import io
import random
import re
import string
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesion_fusion.cohort.defects import CohortError
from lesion_fusion.cohort.readers import read_breast_lesions_usg
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.sheet import read_table
from lesion_fusion.cohort.synthetic import parse_cohort, published_table
from lesion_fusion.config.cohort_file import CohortFile
from lesion_fusion.config.configuration import Configuration
from lesion_fusion.config.loader import ProjectConfigLoader
from lesion_fusion.config.reading import _merged
from lesion_fusion.imaging.png import ImageDefect, decode_image, decode_mask
from lesion_fusion.parameters import InvalidParameterError, validated
from lesion_fusion.settings import CONFIG_LOADER_ARGS
from tests.conftest import ROOT

TIMES = pytest.mark.parametrize("times", [20, pytest.param(150, marks=pytest.mark.slow)])


def damaged(data: bytes, times: int) -> Iterator[bytes]:
    """Yield copies with bytes flipped, cut out, cut off, swapped or repeated."""
    for seed in range(times):
        rng = random.Random(seed)
        broken = bytearray(data)
        first, second = sorted(rng.sample(range(len(broken)), 2))
        match rng.randrange(5):
            case 0:
                for _ in range(rng.randint(1, 8)):
                    broken[rng.randrange(len(broken))] ^= rng.randint(1, 255)
            case 1:
                del broken[first:second]
            case 2:
                del broken[first:]
            case 3:
                broken[first], broken[second] = broken[second], broken[first]
            case 4:
                broken[second:second] = broken[first:second]
        yield bytes(broken)


def encoded(form: str, **options: Any) -> bytes:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


@TIMES
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_images(form: str, times: int):
    data = encoded(form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}))
    whole = decode_image(data, "a")
    for broken in damaged(data, times):
        for decode in (decode_image, decode_mask):
            try:
                found = decode(broken, "a")
            except ImageDefect:
                continue
            # The other formats have no checksum.
            if form == "PNG" and decode is decode_image:
                np.testing.assert_array_equal(found, whole)


def workbook(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_excel(buffer, index=False)
    return buffer.getvalue()


def text(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return published_table(parse_cohort({"cases": 12, "normal_cases": 1, "seed": 5})).astype("str")


@TIMES
@pytest.mark.parametrize(("write", "name"), [(workbook, "a.xlsx"), (text, "a.csv"), (parquet, "a.parquet")])
def test_files_of_tables(published: pd.DataFrame, write: Callable[[pd.DataFrame], bytes], name: str, times: int):
    data = write(published)
    whole = read_table(data, name)
    for broken in damaged(data, times):
        try:
            found = read_table(broken, name)
            parse_record(read_breast_lesions_usg(found))
        except CohortError:
            continue
        if name == "a.xlsx":  # its parts have checksums
            pd.testing.assert_frame_equal(found, whole)


WORDS = [
    "",
    " ",
    "-",
    "NA",
    "n/a",
    "#REF!",
    "=A1",
    "5_7",
    "1e1",
    "٥٧",
    "０７",
    "57,5",
    "1.234,5",
    "0x1f",
    "inf",
    "-3",
    "½",
]
PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")


@TIMES
def test_cells(published: pd.DataFrame, times: int):
    """A number is read as what is written, or it is told; what is read as missing has neither letter nor digit."""
    for seed in range(times):
        rng = random.Random(seed)
        noise = "".join(rng.choices(string.printable + "äß五٥²", k=rng.randint(1, 6)))
        cell = rng.choice([*WORDS, noise, str(rng.uniform(-50, 200))])
        table = published.copy()
        row, column = rng.randrange(len(table)), rng.choice(["Age", "Shape", "Classification", "Mask_tumor_filename"])
        table.loc[row, column] = cell
        record, defects = parse_record(read_breast_lesions_usg(table))
        value = record.set_index("case_id").loc[
            f"case{int(table.loc[row, 'CaseID']):03d}", column.lower().replace("mask_tumor_filename", "tumor_mask_file")
        ]
        told = [defect for defect in defects if defect.row == row + 2]
        assert len(told) <= 1
        if not pd.isna(value):
            assert not told
            assert column != "Age" or (PLAIN.fullmatch(cell.strip()) and float(cell) == value)
        elif not told:
            assert not any(sign.isalnum() for sign in cell) or cell.strip().lower() in ("na", "n/a")


def _paths(tree: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    for key, value in tree.items() if isinstance(tree, dict) else ():
        yield (*path, key)
        yield from _paths(value, *path, key)


def misspelt(tree: dict[str, Any], times: int) -> Iterator[dict[str, Any]]:
    """Yield copies in which a key has a letter more, or a value is replaced by one of another type."""
    paths = list(_paths(tree))
    for seed in range(times):
        rng = random.Random(seed)
        broken = copy.deepcopy(tree)
        *path, key = rng.choice(paths)
        group = broken
        for part in path:
            group = group[part]
        if rng.random() < 0.5:
            group[f"{key}x"] = group.pop(key)
        else:
            group[key] = rng.choice([None, -1, 10**30, "x", "", [], {}, ["x"], {"x": 1}, True, float("nan"), "${x}"])
        yield broken


@TIMES
def test_the_file_of_a_cohort(times: int):
    columns: dict[str, Any] = dict.fromkeys(("case_id", "patient_id", "image_file"), "a")
    columns |= {"age": {"born": "b", "examined": "c"}, "halo": {"column": "d", "wordings": {"ja": "yes"}}}
    columns |= {
        "classification": {"column": "e", "wordings": {"B": "benign"}},
        "pixel_size_mm": {"column": "f", "factor": 2},
    }
    tree = {
        "cohort": "a",
        "table": {"file": "b", "encoding": "cp1252"},
        "images": "c",
        "decimal": ",",
        "columns": columns,
    }
    validated(CohortFile, tree)
    for broken in misspelt(tree, times):
        try:
            validated(CohortFile, broken)
        except InvalidParameterError:
            continue


@pytest.mark.slow
def test_all_parameters():
    loader = ProjectConfigLoader(str(ROOT / "conf"), "base", **CONFIG_LOADER_ARGS)
    tree = _merged(loader["globals"], loader.unchecked("parameters"))
    validated(Configuration, tree)
    for broken in misspelt(tree, 150):
        try:
            validated(Configuration, broken)
        except InvalidParameterError:
            continue
