"""The page without a browser: from a sample to an answer; and its command, with and without the extra."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lesion_fusion.errors import UserError
from lesion_fusion.imaging.outlines import Predicted
from lesion_fusion.page.case import SAMPLES, Case, sample
from lesion_fusion.page.outline import Outline
from lesion_fusion.page.texts import text
from lesion_fusion.serving.served_model import ServedModel

MODULE = "lesion_fusion.page.launch"


@asynccontextmanager
async def opened(
    load: Callable[[], Any], columns: tuple[str, ...] | None = None
) -> AsyncIterator[tuple[Any, Any, Any]]:
    """The page without a browser: a simulated user who has opened it, the page, and the loading of its model."""
    pytest.importorskip("nicegui")
    from nicegui.testing import user_simulation

    from lesion_fusion.page.app import Loading, Page

    pages, loading = [], Loading(load, lambda: columns)

    def root() -> None:
        pages.append(Page(loading, 32))
        pages[-1].build()

    async with user_simulation(root=root) as user:
        await user.open("/")
        yield user, pages[-1], loading


@asynccontextmanager
async def before_its_model(
    served: ServedModel, then: Callable[[], ServedModel]
) -> AsyncIterator[tuple[Any, Any, Any, threading.Event]]:
    """The page with the form of `served` alone; what loads its model does what `then` does once the event is set."""
    event = threading.Event()

    def load() -> ServedModel:
        event.wait()
        return then()

    async with opened(load, served.model.record_columns) as (user, page, loading):
        loading.start()
        await user.should_see(text("record.lead"), retries=100)
        yield user, page, loading, event


@pytest.mark.medium
def test_a_sample_is_answered_and_a_cleared_record_asked_anew(served):
    async def read() -> None:
        async with opened(lambda: served) as (user, page, loading):
            await user.should_see(text("not_a_device"))
            await user.should_see(text("nothing_stored"))
            await user.should_see(text("loading"))
            loading.start()
            await user.should_see(text("record.lead"), retries=600)
            user.find(text("image.sample")).click()
            await user.should_see("Decision:", retries=900)
            await user.should_see(text("sheet.print"))
            whole = page.told.answer
            user.find(text("record.clear")).click()
            await user.should_see(text("missing.record"), retries=900)
            assert page.told.answer["probability"] != whole["probability"]

    asyncio.run(read())


@pytest.mark.medium
def test_the_record_is_filled_in_before_the_model_is_there_and_answered_once_it_is(served):
    async def read() -> None:
        async with before_its_model(served, lambda: served) as (user, page, loading, loaded):
            for name, value in {"age": 50, "margin": "spiculated", "shape": "irregular", "halo": "yes"}.items():
                user.find(marker=name).elements.pop().set_value(value)
            await user.should_see(text("answer.loading"))
            assert loading.model is None
            loaded.set()
            await user.should_see("Probability", retries=900)
            assert page.told.answer["parts"] == "record"
            assert page.case.record["age"] == 50

    asyncio.run(read())


@pytest.mark.medium
def test_a_model_that_fails_takes_the_form_of_its_record_with_it(served):
    def fail() -> ServedModel:
        raise UserError("There is no such model.")

    async def read() -> None:
        async with before_its_model(served, fail) as (user, _, _, failing):
            failing.set()
            await user.should_see("There is no such model.", retries=100)
            await user.should_not_see(text("record.lead"))
            user.find(text("image.sample")).click()
            await user.should_see(text("image.sample_name", number=1, count=SAMPLES), retries=300)
            await user.should_not_see(text("answer.loading"))

    asyncio.run(read())


@pytest.mark.medium
def test_another_frame_of_a_loop_is_shown_and_answered_without_the_outline_of_this_one(served, loop):
    async def read() -> None:
        async with opened(lambda: served) as (user, page, _):
            await user.should_not_see(text("frame.next"))
            with user:
                page._open(Case.of_file(loop, "loop.dcm"))
            await user.should_see(text("frame.shown", frame=1, frames=3))
            user.find(marker="outline.ellipse").click()
            await user.should_see(text("sources.hand"), retries=100)
            user.find(marker="frame.next").click()
            await user.should_see(text("frame.shown", frame=2, frames=3), retries=100)
            await user.should_see(text("frame.others", frames="1"))
            await user.should_see(text("outline.none"))
            assert page._figure.source == page.case.picture == Case.of_file(loop, "loop.dcm", 2).picture
            user.find(marker="outline.undo").click()
            await user.should_see(text("outline.none"))
            user.find(marker="frame.previous").click()
            await user.should_see(text("sources.hand"), retries=100)
            assert page.case.frame == 1
            user.find(text("image.sample")).click()
            await user.should_not_see(text("frame.next"), retries=300)

    asyncio.run(read())


@pytest.mark.medium
@pytest.mark.parametrize("learned", ["drawn", "predicted"])
def test_the_machines_outline_is_there_and_counts_at_once_only_where_the_model_learned_under_such(
    served, whole, learned, monkeypatch
):
    mask = whole.outline.mask()
    domain = served.domain.model_copy(update={"outlines": learned})
    monkeypatch.setattr(served, "domain", domain)
    monkeypatch.setattr(
        type(served), "draw", property(lambda _: lambda images: [Predicted(mask, 0.9, 1.0)] * len(images))
    )

    async def read() -> None:
        async with opened(lambda: served) as (user, page, loading):
            loading.start()
            await user.should_see(text("record.lead"), retries=600)
            with user:
                page._open(replace(whole, outline=Outline(whole.outline.size)))
            await user.should_see(text("sources.machine"), retries=300)
            if learned == "drawn":
                await user.should_see(text("outline.proposal"))
                await user.should_see(text("missing.mask"), retries=900)
                user.find(text("outline.take")).click()
                await user.should_not_see(text("outline.proposal"), retries=100)
            await user.should_see("record, image, outline", retries=900)

    asyncio.run(read())


@pytest.mark.medium
def test_where_the_machine_finds_no_lesion_the_reader_is_told(served, whole, monkeypatch):
    def guess(images: list) -> list[Predicted]:
        return [Predicted(whole.outline.mask(), 0.3, 1.0)] * len(images)

    monkeypatch.setattr(type(served), "draw", property(lambda _: guess))

    async def read() -> None:
        async with opened(lambda: served) as (user, page, loading):
            loading.start()
            await user.should_see(text("record.lead"), retries=600)
            with user:
                page._open(replace(whole, outline=Outline(whole.outline.size)))
            await user.should_see(text("outline.no_lesion"), retries=300)
            assert not page.case.outline.points

    asyncio.run(read())


@pytest.mark.medium
def test_the_record_of_a_sample_does_not_stay_for_an_image_and_another_one_is_told(loop):
    pytest.importorskip("nicegui")
    from nicegui.elements.upload_files import SmallFileUpload

    async def read() -> None:
        async with opened(lambda: None) as (user, page, _):

            async def drop(name: str) -> None:
                with user:
                    await page._uploaded(SimpleNamespace(file=SmallFileUpload(name, "", loop)))
                await user.should_see(name)

            page.case = sample(0)
            await drop("first.dcm")
            assert not page.case.record
            await user.should_not_see(text("record.kept"))
            page._set("age", 60)
            await drop("second.dcm")
            assert page.case.record == {"age": 60}
            await user.should_see(text("record.kept"))
            page._clear_record()
            await user.should_not_see(text("record.kept"))

    asyncio.run(read())


def test_a_model_that_can_not_be_loaded_is_told_on_the_page():
    pytest.importorskip("nicegui")
    from lesion_fusion.page.app import Loading

    def load() -> None:
        raise UserError("There is no such model.")

    loading = Loading(load, lambda: ["a column that a cohort declares"])
    loading._run()
    assert loading.columns is None
    assert "There is no such model." in loading.fault


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch):
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setitem(sys.modules, "nicegui", None)
    with pytest.raises(UserError, match=r"pip install 'lesion-fusion\[page\]'"):
        __import__(MODULE)


@pytest.mark.slow
def test_the_command_serves_this_computer_alone_before_its_model_is_there(tmp_path: Path):
    pytest.importorskip("nicegui")
    command = [sys.executable, "-m", "lesion_fusion", "page", "--no-browser", "--port", "0", "--model", "runs:/none"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
        assert address is not None
        with urllib.request.urlopen(address[0], timeout=60) as page:
            assert text("not_a_device") in page.read().decode()
        other = urllib.request.Request(address[0], headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(other, timeout=60)
        assert refused.value.code == 403
    finally:
        server.terminate()
        server.wait(30)
