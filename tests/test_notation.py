from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesion_fusion.notation import (
    Estimate,
    count,
    difference,
    listing,
    number,
    p_clause,
    p_value,
    percent,
    signed,
    with_interval,
)
from lesion_fusion.reporting.page import breakable


@given(st.floats(-10, 10), st.integers(1, 4))
def test_numbers_read_back_as_they_were_to_their_last_place(value: float, digits: int) -> None:
    for text in (number(value, digits), signed(value, digits)):
        assert abs(float(text.replace("−", "-")) - value) <= 0.5 * 10**-digits + 1e-9


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "+0.012"), (-0.0123, "−0.012"), (-0.0001, "0.000"), (0.0, "0.000")]
)
def test_differences_show_their_sign_unless_they_round_to_zero(value: float, text: str) -> None:
    assert signed(value) == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "< 0.001"),
        (0.0009, "< 0.001"),
        (0.0123, "0.012"),
        (0.0496, "0.0496"),
        (0.04996, "0.0499"),
        (0.05, "0.050"),
        (0.43, "0.430"),
        (1.0, "1.000"),
    ],
)
def test_p_values(p: float, text: str) -> None:
    assert p_value(p) == text
    assert p_clause(p) == (f"p {text}" if text.startswith("<") else f"p = {text}")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.95, "95%"),
        (0.0, "0%"),
        (1.0, "100%"),
        (0.004, "0.4%"),
        (0.998, "99.8%"),
        (1e-4, "< 0.1%"),
        (0.9999, "> 99.9%"),
    ],
)
def test_only_nothing_reads_0_and_only_all_reads_100_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_estimates_stand_with_their_intervals() -> None:
    assert with_interval(Estimate(0.8321, 0.7731, 0.8869)) == "0.832 (0.773 to 0.887)"
    assert difference(Estimate(0.0121, -0.004, 0.031)) == "+0.012 (−0.004 to +0.031)"


def test_words_for_numbers_and_lists() -> None:
    assert (count(1, "case"), count(0, "case"), count(1200, "case")) == ("1 case", "0 cases", "1,200 cases")
    assert count(2, "category", "categories") == "2 categories"
    assert (listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])) == ("a", "a and b", "a, b and c")


def test_names_break_after_dots_and_underscores_and_are_escaped() -> None:
    assert breakable("fusion.late_<b>") == "fusion.<wbr>late_<wbr>&lt;b&gt;"
