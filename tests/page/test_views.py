"""Panels of the page: every text is there, all that was given and answered is shown, and nothing is markup."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import get_args

import pytest
import yaml

import lesion_fusion.page
from lesion_fusion.cohort.schema import COLUMN, MAY_PREDICT, predictor_columns
from lesion_fusion.page.case import Case, Told, ask, explain
from lesion_fusion.page.outline import Outline, Source
from lesion_fusion.page.texts import label, percent, text, value_text
from lesion_fusion.page.views import outline_words, overlay, panel, sheet_view, view
from tests.models.toy import RECORD

FOLDER = Path(lesion_fusion.page.__file__).parent
TEXTS = yaml.safe_load((FOLDER / "texts.yml").read_text())
FIELDS = [*RECORD, "birads"]


def plain(html: str) -> str:
    # A space that breaks no line is left as it is.
    return re.sub(r"[ \n]+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def shown(served, case: Case) -> dict:
    return view(case, explain(served, case, ask(served, case)), served.model, served.domain)


def test_texts_cover_the_columns_that_a_model_may_read():
    assert set(TEXTS["fields"]) == set(predictor_columns(MAY_PREDICT))
    for name, texts in TEXTS["fields"].items():
        assert set(texts.get("categories", {})) == set(COLUMN[name].categories), name
        for name_and_meaning in texts.get("categories", {}).values():
            assert [type(one) for one in name_and_meaning] == [str, str]


def test_every_text_that_is_asked_for_exists_and_none_is_left_over():
    sources = "".join(path.read_text() for path in FOLDER.iterdir() if path.suffix in {".py", ".j2"})
    used = set(re.findall(r"""["']((?:[a-z_]+\.)?[a-z_]+)["']""", sources))
    used |= {f"{part}.heading" for part in ("reader", "why", "missing")} | {
        f"missing.{one}" for one in ("record", "image", "mask")
    }
    there = {
        name if isinstance(one, str) else f"{name}.{key}"
        for name, one in TEXTS.items()
        if name not in ("fields", "parts", "classes", "sources")
        for key in ([""] if isinstance(one, str) else one)
    }
    assert sorted(there - used) == []
    assert set(TEXTS["sources"]) == set(get_args(Source))
    assert sorted(key for key in used if "." in key and key.split(".")[0] in TEXTS and key not in there) == []


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0.0 %"), (1e-5, "< 0.1 %"), (0.0884, "8.8 %"), (0.51, "51 %"), (0.99999, "> 99.9 %")]
)
def test_a_probability_is_never_rounded_to_certainty(value: float, words: str):
    assert percent(value) == words.replace(" ", "\N{NO-BREAK SPACE}")


def test_a_whole_case_is_answered_in_words_with_interval_and_threshold(served, whole):
    found = shown(served, whole)
    answer = found["answer"]
    words = plain(panel("answer", found))
    for name in ("probability", "low", "high", "threshold"):
        assert percent(answer[name]) in words
    assert f"Decision: {answer['decision']}" in words
    assert text("missing.none") in plain(panel("missing", found))
    assert all(label(name) in plain(panel("why", found)) for name in RECORD)


def test_too_little_is_no_decision_and_names_what_would_settle_it(served):
    case = Case()
    case.set("age", 50)
    found = shown(served, case)
    words = plain(panel("answer", found))
    assert text("answer.no_decision") in words
    assert "What would settle it most" in words
    assert found["answer"]["ask_for"]
    assert "Decision:" not in words
    missing = plain(panel("missing", found))
    assert "The image" in missing
    assert text("missing.most") in missing


def test_a_missing_field_shows_what_it_would_change(served, whole):
    whole.set("margin", None)
    found = shown(served, whole)
    (row,) = found["missing"]
    assert row["name"] == "margin"
    assert 0 < row["low"] < row["high"] < 1
    assert f"between {percent(row['low'])} and {percent(row['high'])}" in plain(panel("missing", found))


def test_the_sheet_has_all_fields_given_or_not(served, whole):
    whole.set("margin", None)
    told = explain(served, whole, ask(served, whole))
    words = plain(panel("sheet", sheet_view(whole, told, served.model, served.domain, FIELDS)))
    for name in FIELDS:
        assert f"{label(name)} {value_text(name, whole.record.get(name))}" in words
    assert f"{label('margin')} {text('not_given')}" in words
    assert text("not_a_device") in words
    assert percent(told.answer["probability"]) in words
    assert f"BI-RADS {whole.record['birads']}" in words
    assert told.answer["version"] in words


def test_what_a_network_looks_at_is_shown_and_named(served, whole):
    told = Told(ask(served, whole).answer, {"heat_maps": {"imaging.net": "iVBORw0="}})
    html = panel("why", view(whole, told, served.model, served.domain))
    assert 'src="data:image/png;base64,iVBORw0="' in html
    assert text("why.heat", name="imaging.net") in plain(html)


def test_a_fault_and_a_file_name_are_no_markup(served, whole):
    whole.name = "<script>alert(1)</script>"
    told = Told(fault="<b>no</b>")
    assert "<b>no</b>" not in panel("answer", view(whole, told, served.model, served.domain))
    assert "<script" not in panel("sheet", sheet_view(whole, told, served.model, served.domain, FIELDS))


def test_the_sheet_names_the_frame_of_a_loop_alone(served, whole, loop):
    case = Case.of_file(loop, "loop.dcm", 2)
    sheet = plain(panel("sheet", sheet_view(case, Told(), served.model, served.domain, FIELDS)))
    assert "Image: loop.dcm, frame 2 of 3." in sheet
    assert "frame" not in plain(panel("sheet", sheet_view(whole, Told(), served.model, served.domain, FIELDS)))


def test_the_outline_is_drawn_with_its_points_and_told():
    outline = Outline.ellipse((200, 100))
    assert overlay(outline).count("<circle") == 12
    assert "<circle" not in overlay(outline, corners=False)
    assert overlay(None) == ""
    assert "12 points" in outline_words(outline)
    assert text("outline.none") in outline_words(Outline((200, 100)))
