"""The checklists: each item of both once, in order, with what the run knows or what the authors must say."""

from __future__ import annotations

import re
from inspect import signature
from itertools import pairwise

import pytest

from lesion_fusion.reporting.sections import PARAMETERS, TITLES
from lesion_fusion.reporting.sections.checklist import write
from tests.reporting.toy import toy_study


def rows_of(html: str, name: str) -> list[list[str]]:
    table = html.split(f'aria-label="{name}"')[1].split("</table>")[0]
    body = table.split("<tbody>")[1]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL) for row in body.split("</tr>")[:-1]]


@pytest.fixture(scope="module", params=["malignancy", "three_class"])
def html(request: pytest.FixtureRequest) -> str:
    data = toy_study(target=request.param).datasets
    given = {name: data[f"params:{name}" if name in PARAMETERS else name] for name in signature(write).parameters}
    return write(**given)


@pytest.mark.parametrize(("name", "last"), [("TRIPOD+AI", 27), ("CLAIM 2024", 44)])
def test_no_item_is_left_out_and_each_says_something(html: str, name: str, last: int) -> None:
    rows = rows_of(html, name)
    numbers = [int(re.match(r"\d+", row[0]).group()) for row in rows]
    assert sorted(set(numbers)) == list(range(1, last + 1))
    assert all(before <= after for before, after in pairwise(numbers))
    assert len({row[0] for row in rows}) == len(rows)
    for item, subject, known, to_say in rows:
        assert subject, item
        assert known or to_say, item


def test_it_is_filled_with_the_numbers_of_the_study(html: str) -> None:
    flow = next(row for row in rows_of(html, "TRIPOD+AI") if row[0] == "20a")[2]
    assert flow.startswith("62 cases read, 2 excluded for a defect")


def test_ethics_funding_and_registration_are_the_authors(html: str) -> None:
    said = {row[0]: row for row in rows_of(html, "TRIPOD+AI")}
    for item in ("17", "18a", "18b", "18d"):
        assert said[item][2] == ""
        assert said[item][3]


def test_links_lead_to_sections(html: str) -> None:
    assert set(re.findall(r'href="#(\w+)"', html)) <= set(TITLES)
