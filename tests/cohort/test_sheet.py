"""Tables as people have them: read without loss, or refused in one message with file, row, column and how to fix it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import openpyxl
import pandas as pd
import pytest

from lesion_fusion.cohort.defects import CohortError, describe_defects
from lesion_fusion.cohort.readers import read_breast_lesions_usg
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.sheet import read_table
from lesion_fusion.cohort.synthetic import parse_cohort, published_table


@pytest.fixture(scope="module")
def published() -> pd.DataFrame:
    return published_table(parse_cohort({"cases": 12, "normal_cases": 1, "seed": 5}))


def workbook(table: pd.DataFrame, change: Callable = id) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(table.columns))
    for row in table.astype("object").where(table.notna(), None).itertuples(index=False):
        sheet.append(list(row))
    change(sheet)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def archive(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def text(table: pd.DataFrame, encoding: str = "utf-8", **options) -> bytes:
    return table.to_csv(index=False, **options).encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_encoding_and_separator_of_a_text_are_found(published, encoding, separator):
    table = published.assign(Diagnosis="Zyste, groß; gefüllt|dick")
    read = read_table(text(table, encoding, sep=separator), "a.csv")
    pd.testing.assert_frame_equal(read, table.astype("str"), check_dtype=False)


def test_workbook_and_parquet_give_the_same_cells_as_text(published):
    numbers = published.assign(Age=range(30, 42), Pixel_size=[0.0078125, 1e-05] * 6, Other=[1e20, 2.0] * 6)
    for data, name in ((workbook(numbers), "a.xlsx"), (parquet(numbers), "a.parquet")):
        read = read_table(data, name)
        assert read["Age"].tolist() == [str(age) for age in range(30, 42)]
        assert read["Pixel_size"].tolist()[:2] == ["0.0078125", "0.00001"]
        assert read["Other"].tolist()[:2] == ["100000000000000000000", "2"]
        assert read["Signs"].equals(published["Signs"].astype("str"))


KINDS: dict[str, tuple[str, bytes, str]] = {
    "text": ("a.xlsx", b"CaseID,Age\n1,50\n", "called .xlsx and is separated text"),
    "UTF-16": ("a.xlsx", "CaseID,Age\n1,50\n".encode("utf-16"), "called .xlsx and is separated text"),
    "HTML": ("a.xlsx", b"\n<html><table><tr><td>CaseID</td></tr></table></html>", "a web page"),
    "another archive": ("a.xlsx", archive(a_txt="b"), "a ZIP archive and no Excel workbook"),
    "OpenDocument": ("a.xlsx", archive(content_xml="<a/>"), "an OpenDocument sheet"),
    "a damaged workbook": ("a.xlsx", archive(**{"xl/workbook_xml": "<a"}), "the workbook is damaged"),
    "truncated": ("a.xlsx", workbook(pd.DataFrame({"CaseID": ["1"]}))[:-100], "truncated or damaged"),
    "empty": ("a.xlsx", b"", "the file is empty"),
    "blank": ("a.csv", b"\xef\xbb\xbf \r\n\n", "the file is empty"),
    "old workbook": ("a.xls", b"\xd0\xcf\x11\xe0 rest", "before 2007, or one with a password"),
    "picture": ("a.csv", b"\x89PNG\r\n\x1a\n\0\0", "neither an Excel workbook nor text nor Parquet"),
    "workbook called text": (
        "a.csv",
        workbook(pd.DataFrame({"CaseID": ["1"]})),
        "called .csv and is an Excel workbook",
    ),
    "header only": ("a.xlsx", workbook(pd.DataFrame({"CaseID": []})), "no row below its header"),
    "header only, text": ("a.csv", b"CaseID,Age\n", "no row below its header"),
    "Parquet cut short": ("a.parquet", parquet(pd.DataFrame({"a": [1]}))[:-9], "the Parquet file is damaged"),
    "open quotation mark": ("a.csv", b'CaseID,Age\n1,50\n2,"60\n', "the text is damaged"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_table_is_told_with_its_kind_and_how_to_fix_it(kind):
    name, data, problem = KINDS[kind]
    with pytest.raises(CohortError) as error:
        read_table(data, name)
    (defect,) = error.value.defects
    assert (defect.file, bool(defect.fix)) == (name, True)
    assert problem in defect.problem


def test_a_column_that_is_listed_twice_is_a_defect(published):
    table = pd.concat([published, published[["Age"]]], axis=1)
    for data, name in ((workbook(table), "a.xlsx"), (text(table), "a.csv")):
        with pytest.raises(CohortError, match=r"column Age: several columns have this name"):
            read_table(data, name)


def test_rows_of_another_length_than_the_header_are_all_told():
    with pytest.raises(CohortError) as error:
        read_table(b"CaseID,Age\n1,50\n\n2\n3,1,2\n", "a.csv")
    assert [defect.row for defect in error.value.defects] == [4, 5]


def test_merged_cells_are_a_defect(published):
    with pytest.raises(CohortError, match="cells are merged: B2:B4"):
        read_table(workbook(published, lambda sheet: sheet.merge_cells("B2:B4")), "a.xlsx")


def test_blank_rows_are_skipped_and_the_others_keep_their_row(published):
    table = read_table(workbook(published, lambda sheet: sheet.insert_rows(3)), "a.xlsx")
    assert len(table) == len(published)
    assert parse_record(read_breast_lesions_usg(table))[1] == []
    table.loc[table.index[1], "Age"] = "old"
    (defect,) = parse_record(read_breast_lesions_usg(table))[1]
    assert (defect.file, defect.row, defect.column) == ("a.xlsx", 4, "age")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("=50+7", "the result of =50+7 is not stored"),
        ("#DIV/0!", "it holds #DIV/0!"),
        ("٥٧", "'٥٧' is not a number in the digits 0 to 9"),
        ("5_7", "'5_7' is not a number"),
        ("1e1", "'1e1' is not a number"),
        ("五十", "'五十' is not a number"),
        ("inf", "'inf' is not a number"),
        ("57,5", "'57,5' is not a number"),
        ("9" * 5000, "is not a number|lies outside"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["xlsx", "csv"])
def test_a_cell_that_is_no_number_is_told_and_never_read_as_another_or_missing(published, cell, problem, kind):
    table = published.assign(Age=["50"] * len(published))
    table.loc[3, "Age"] = cell
    read = read_table(workbook(table) if kind == "xlsx" else text(table), f"a.{kind}")
    record, (defect,) = parse_record(read_breast_lesions_usg(read))
    assert (defect.row, defect.column, defect.case_id) == (5, "age", "case004")
    assert any(part in defect.problem for part in problem.split("|"))
    assert record["age"].isna().sum() == 1


@pytest.mark.parametrize("column", ["Classification", "Shape", "Diagnosis", "CaseID"])
def test_a_failed_formula_is_told_in_any_column(published, column):
    table = published.copy()
    table.loc[2, column] = "#REF!"
    assert "it holds #REF!" in describe_defects(parse_record(read_breast_lesions_usg(table))[1])


def test_a_wording_in_another_script_is_unknown_and_not_missing(published):
    table = published.copy()
    table.loc[2, "Shape"] = "不规则"
    (defect,) = parse_record(read_breast_lesions_usg(table))[1]
    assert (defect.kind, defect.problem) == ("unknown category", "不规则 is none of its categories")


def test_equal_problems_share_a_line(published):
    table = pd.concat([published.assign(CaseID=published["CaseID"].astype(int) + 100 * k) for k in range(3)])
    table = table.astype("str").reset_index(drop=True)
    table["Shape"] = [f"wording {i % 10}" for i in range(len(table))]
    told = describe_defects(parse_record(read_breast_lesions_usg(table))[1])
    assert told.count("How to fix it") == 10
    assert "row 2, column shape" in told
    assert "(and in row 12, row 22, row 32)" in told
