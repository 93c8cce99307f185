"""Bad input: one error lists every defect, its place and how to fix it; or exactly those cases are left out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesion_fusion.cohort.defects import CohortError
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases

Files = dict[str, Callable[[], bytes]]


@dataclass
class Published:
    """A published collection that a test may spoil; row i of the table is row i + 2 of the sheet."""

    table: pd.DataFrame
    images: Files
    masks: Files

    def image(self, i: int) -> str:
        return self.table.loc[i, "Image_filename"]

    def mask(self, i: int) -> str:
        return self.table.loc[i, "Mask_tumor_filename"]

    def build(self, on_defect: str = "stop") -> tuple[pd.DataFrame, pd.DataFrame, dict]:
        return build_cases(
            self.table, self.images, self.masks, Ingestion(reader="breast_lesions_usg", on_defect=on_defect)
        )


@pytest.fixture(scope="module")
def rendered() -> Published:
    cohort = parse_cohort({"cases": 14, "normal_cases": 1, "seed": 5, "min_side": 64, "max_side": 80})

    def read(files: Files) -> Files:
        contents = {name: render() for name, render in files.items()}
        return {name: lambda content=content: content for name, content in contents.items()}

    return Published(published_table(cohort), read(render_images(cohort)), read(render_masks(cohort)))


@pytest.fixture
def published(rendered: Published) -> Published:
    return Published(rendered.table.copy(), dict(rendered.images), dict(rendered.masks))


def png(pixels: np.ndarray) -> Callable[[], bytes]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue


def spoil(published: Published) -> dict[int, list[str]]:
    """Plant one defect a row; return for each the words that must tell it."""
    lesions = [i for i in published.table.index if isinstance(published.mask(i), str)]
    a, b, c, d, e, f, g, h, i, j = lesions[:10]
    images, masks = published.images, published.masks
    del images[published.image(a)]
    whole = images[published.image(b)]()
    images[published.image(b)] = lambda: whole[: len(whole) // 2]
    images[published.image(c)] = lambda: b""
    images[published.image(d)] = lambda: b"%PDF-1.7"
    masks[published.mask(e)] = png(np.full((9, 9), 255, dtype="uint8"))
    masks[published.mask(f)] = png(np.zeros(Image.open(io.BytesIO(images[published.image(f)]())).size[::-1], "uint8"))
    told = {
        a: [published.image(a), "column image_file", "there is no such file", "put it into the cohort's folder"],
        b: [published.image(b), "column image_file", "truncated", "export it again"],
        c: [published.image(c), "column image_file", "the file is empty", "export it again"],
        d: [published.image(d), "column image_file", "not a PNG file", "convert it to PNG"],
        e: [published.mask(e), "column tumor_mask_file", "9 x 9 pixels", "draw the mask on this very image"],
        f: [published.mask(f), "column tumor_mask_file", "the mask is empty", "mark the structure"],
        g: ["column age", "212 lies outside 0 to 120", f"row {g + 2}", "give a number from 0 to 120"],
        h: ["column image_file", "../../secret.png", f"row {h + 2}", "lies directly in the cohort's folder"],
        i: ["column shape", "banana", f"row {i + 2}", "use one of irregular"],
        j: ["column case_id", f"row {len(published.table) + 2}", f"row {j + 2} already", "keep one of the rows"],
    }
    published.table.loc[g, "Age"] = "212"
    published.table.loc[h, "Image_filename"] = "../../secret.png"
    published.table.loc[i, "Shape"] = "banana"
    published.table = pd.concat([published.table, published.table.loc[[j]]], ignore_index=True)
    return told


def case_name(published: Published, i: int) -> str:
    return f"case{published.table.loc[i, 'CaseID'].zfill(3)}"


def test_clean_input_has_no_defect(published: Published):
    cases, excluded, digest = published.build()
    assert excluded.empty
    assert len(cases) == digest["cases"] == len(published.table)
    first = published.image(0)
    width, height = Image.open(io.BytesIO(published.images[first]())).size
    row = cases[cases["image_file"] == first].iloc[0]
    assert (row["image_width"], row["image_height"]) == (width, height)


def test_every_defect_is_told_at_once_with_place_and_fix(published: Published):
    told = spoil(published)
    with pytest.raises(CohortError) as error:
        published.build()
    message = str(error.value)
    assert f"has {len(told)} defects" in message
    lines = message.splitlines()
    for i, words in told.items():
        # Column names may be unknown to a row: the one line of this case holds all of it.
        (line,) = [line for line in lines if f"case {case_name(published, i)}:" in line]
        for word in [*words, "How to fix it:"]:
            assert word in line
    assert "ingestion.on_defect" in message


def test_exclusion_leaves_out_exactly_the_cases_with_a_defect_and_lists_them(published: Published):
    whole = set(published.build()[0]["case_id"])
    spoilt = {case_name(published, i) for i in spoil(published)}
    cases, excluded, digest = published.build("exclude")
    assert set(cases["case_id"]) == whole - spoilt
    assert set(excluded["case_id"]) == spoilt
    assert digest["cases"] == len(cases)
    assert (excluded[["kind", "problem", "fix"]] != "").all(axis=None)


def test_a_lesion_without_a_mask_is_a_defect_and_a_normal_case_without_one_is_none(published: Published):
    lesion = next(i for i in published.table.index if isinstance(published.mask(i), str))
    published.table.loc[lesion, "Mask_tumor_filename"] = np.nan
    with pytest.raises(CohortError, match="names no tumour mask") as error:
        published.build()
    assert [defect.case_id for defect in error.value.defects] == [case_name(published, lesion)]


def test_a_defect_of_the_whole_table_stops_even_exclusion(published: Published):
    published.table = published.table.drop(columns=["Age", "Margin"])
    with pytest.raises(CohortError) as error:
        published.build("exclude")
    assert {defect.column for defect in error.value.defects} == {"Age", "Margin"}


def test_a_cohort_of_which_nothing_is_left_is_an_error(published: Published):
    published.images = {name: lambda: b"" for name in published.images}
    with pytest.raises(CohortError, match="the file is empty"):
        published.build("exclude")


def test_the_digest_follows_pixels_and_cells(published: Published):
    digests = [published.build()[2]["cohort_digest"]]
    published.table.loc[0, "Age"] = "33"
    digests.append(published.build()[2]["cohort_digest"])
    shape = Image.open(io.BytesIO(published.images[published.image(0)]())).size[::-1]
    published.images[published.image(0)] = png(np.full(shape, 77, dtype="uint8"))
    digests.append(published.build()[2]["cohort_digest"])
    assert len(set(digests)) == 3


def test_an_unknown_reader_is_told_with_those_that_exist():
    with pytest.raises(ValueError, match=r"'usg'.*breast_lesions_usg, bus_bra"):
        Ingestion(reader="usg")
