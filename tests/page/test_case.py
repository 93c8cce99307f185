"""A case on the page is answered as `kedro serve` answers it, and what is wrong with it is told in words."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.schema import COLUMN, split_cell
from lesion_fusion.imaging.png import ImageDefect
from lesion_fusion.page.case import Case, ask, explain, propose, sample
from lesion_fusion.page.outline import Outline
from lesion_fusion.serving.client import Client
from lesion_fusion.serving.schema import FRAME, IMAGE, MASK, SOURCE
from lesion_fusion.serving.server import Limits, make_app
from tests.models.toy import RECORD
from tests.serving.test_http import running


@pytest.mark.parametrize("left_out", [(), ("margin", "age"), RECORD])
def test_the_page_answers_as_the_server(served, cohort, whole, left_out):
    for name in left_out:
        whole.set(name, None)
    row = cohort.inputs.cases.set_index("image_file").loc[whole.name]
    told = explain(served, whole, ask(served, whole))
    with running(make_app(served, Limits())) as url:
        client, files = Client(url), (cohort.images[whole.name](), cohort.masks[row["tumor_mask_file"]]())
        record = dict(whole.record)
        served_answer = client._post("/invocations", record, *files)["predictions"][0]
        served_why = client.why(record, *files)
    assert dict(told.answer) == pytest.approx(served_answer, abs=1e-12)
    assert list(told.answer) == list(served_answer)
    assert told.why["fields"] == pytest.approx(served_why["fields"])
    assert {name: list(found) for name, found in told.why["missing"].items()} == served_why["missing"]
    assert told.why["birads"] == served_why["birads"]


def test_a_corrected_outline_changes_the_answer(served, whole):
    before = ask(served, whole).answer["probability"]
    assert whole.outline is not None
    whole.outline = whole.outline.choose(0).shift(12, 9).scale(1.3)
    assert abs(ask(served, whole).answer["probability"] - before) > 1e-6


def test_a_networks_outline_is_the_readers_once_taken_over_or_corrected(whole):
    whole.outline = replace(whole.outline, source="machine")
    assert MASK not in whole.request("drawn")
    for outline in (whole.outline.taken_over(), whole.outline.scale(1.1)):
        row = replace(whole, outline=outline).request("drawn")
        assert row[MASK]
        assert row[SOURCE] == "drawn"


def test_networks_that_fail_leave_the_drawing_to_the_reader(served, whole, monkeypatch, caplog):
    def fail(images: list) -> list:
        raise OSError(len(images))

    monkeypatch.setattr(type(served), "draw", property(lambda _: fail))
    assert propose(served, whole) is None
    assert "OSError" in caplog.text


def test_for_a_model_that_learned_under_networks_outlines_a_corrected_one_stays_theirs(whole):
    assert whole.request("predicted")[SOURCE] == "drawn"
    whole.outline = replace(whole.outline, source="machine")
    for outline in (whole.outline, whole.outline.choose(0).shift(3, 3)):
        assert replace(whole, outline=outline).request("predicted")[SOURCE] == "predicted"


def test_an_unfinished_outline_is_not_sent(whole):
    assert MASK in whole.request()
    whole.outline = Outline(whole.outline.size, whole.outline.points)
    assert MASK not in whole.request()
    assert IMAGE in whole.request()


def test_what_is_not_known_is_not_sent():
    case = Case()
    for name, value in {"age": None, "shape": "", "margin": [], "symptoms": ["none"]}.items():
        case.set(name, value)
    assert case.request() == {"symptoms": "none"}
    case.set("margin", ["spiculated", "angular"])
    assert case.record["margin"] == "angular&spiculated"
    case.set("margin", None)
    assert "margin" not in case.record


def test_each_frame_of_a_loop_is_answered_as_the_server_answers_it(served, loop):
    first = Case.of_file(loop, "loop.dcm")
    first.set("age", 60)
    assert (first.frame, first.frames) == (1, 3)
    second = first.turned_to(Case.of_file(first.loop, first.name, 2))
    assert not np.array_equal(second.image, first.image)
    coded = base64.b64encode(loop).decode()
    for case in (first, second):
        rows = pd.DataFrame([{IMAGE: coded, FRAME: case.frame, "age": 60}], dtype=object)
        (expected,) = served.predict(None, rows)["probability"]
        assert ask(served, case).answer["probability"] == pytest.approx(expected, abs=1e-12)


def test_an_outline_stays_with_the_frame_that_it_was_drawn_on(loop):
    drawn = Case.of_file(loop, "loop.dcm")
    drawn.set("age", 60)
    assert drawn.outline is not None
    drawn.outline = outline = Outline.ellipse(drawn.outline.size)
    second = drawn.turned_to(Case.of_file(loop, "loop.dcm", 2))
    assert MASK not in second.request()
    assert second.record == {"age": 60}
    assert list(second.others) == [1]
    third = second.turned_to(Case.of_file(loop, "loop.dcm", 3))
    assert list(third.others) == [1]
    back = third.turned_to(Case.of_file(loop, "loop.dcm"))
    assert back.outline == outline
    assert not back.others


def test_a_frame_that_is_not_there_is_refused(loop):
    with pytest.raises(ImageDefect, match="has no frame 4; give a number from 1 to 3"):
        Case.of_file(loop, "loop.dcm", 4)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_a_broken_file_is_refused_with_what_is_wrong(content: bytes):
    with pytest.raises(ImageDefect) as defect:
        Case.of_file(content, "broken.png")
    assert defect.value.problem
    assert defect.value.mend


def test_a_value_that_can_not_be_is_told_in_words(served):
    case = Case()
    case.set("age", 400)
    told = ask(served, case)
    assert not told.answer
    assert told.fault.startswith("field age: 400 lies outside 0 to 120")


def test_a_fault_of_the_model_is_one_sentence(served, whole, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the case")

    monkeypatch.setattr(served, "predict", fail)
    told = ask(served, whole)
    assert told.fault
    assert "secret" not in told.fault


def test_nothing_given_is_not_asked(served):
    assert not ask(served, Case()).answer


@pytest.mark.medium
def test_samples_are_whole_cases_in_the_words_of_the_schema():
    cases = [sample(number) for number in range(12)]
    assert len({case.image.tobytes() for case in cases}) == 12
    assert np.array_equal(sample(12).image, cases[0].image)
    for case in cases:
        assert case.outline is not None
        assert case.outline.usable
        assert len(case.record) >= 6
        for name, value in case.record.items():
            known = set(COLUMN[name].categories)
            assert isinstance(value, float) or set(split_cell(value)) <= known


def test_the_shown_picture_is_the_decoded_image(whole):
    import io

    from PIL import Image

    head, _, coded = whole.picture.partition(",")
    assert head == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(coded)))), whole.image)
