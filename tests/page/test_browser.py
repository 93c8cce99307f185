"""The page in a real browser: from a file to an answer, a correction, a broken file, and the sheet that is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lesion_fusion.imaging.png import decode_mask
from lesion_fusion.models.base import save_model
from lesion_fusion.page.outline import Outline
from lesion_fusion.page.texts import label, text
from tests.conftest import ROOT
from tests.models.toy import RECORD, domain_of, fitted_late

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
pytest.importorskip("nicegui")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
SERVER = """
import sys
from types import SimpleNamespace
from lesion_fusion.page.launch import open_page
from lesion_fusion.serving.served_model import BUNDLE, ServedModel

def load():
    served = ServedModel()
    served.load_context(SimpleNamespace(artifacts={BUNDLE: sys.argv[1]}))
    return served

open_page(load, lambda: None, 0, 1, False, lambda words: print(words, flush=True))
"""
PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def files(cohort, loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, an image, a loop and a broken image."""
    folder = tmp_path_factory.mktemp("browser")
    model = fitted_late(cohort)
    save_model(model, folder / "bundle")
    domain_of(cohort, model).save(folder / "bundle")
    (folder / "image.png").write_bytes(next(iter(cohort.images.values()))())
    outline = Outline.traced(decode_mask(next(iter(cohort.masks.values()))(), "mask"))
    # About a dozen points of the lesion's own outline, as shares of width and height.
    np.save(folder / "corners.npy", np.array(outline.points)[:: max(1, len(outline.points) // 12)] / outline.size)
    (folder / "loop.dcm").write_bytes(loop)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(60))
    return folder


@pytest.fixture(scope="module")
def address(files: Path) -> Iterator[str]:
    command = [sys.executable, "-c", SERVER, str(files / "bundle")]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    found = re.search(r"http://\S+/", server.stdout.readline())
    assert found is not None
    yield found[0]
    server.terminate()
    server.wait(30)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        playwright.expect.set_options(timeout=PATIENCE_MS)
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """The page, its model loaded; at the end nothing was asked from another host, and nothing went wrong in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened, asked, wrong = context.new_page(), [], []
    opened.set_default_timeout(PATIENCE_MS)
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(address)
    opened.get_by_label(label("age"), exact=True).wait_for()
    yield opened
    context.close()
    assert asked
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert wrong == []


def answered(page: playwright.Page) -> str:
    """The answer in words, once it is the answer to what is on the page."""
    page.locator(".answer-card[aria-busy=false] .number").wait_for()
    return page.locator(".panel-answer").inner_text()


def click(page: playwright.Page, x: float, y: float, to: np.ndarray | None = None) -> None:
    """Press the mouse at a share of the image's width and height, and drag."""
    box = page.locator(".figure").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.down()
    if to is not None:
        page.mouse.move(box["x"] + to[0] * box["width"], box["y"] + to[1] * box["height"], steps=5)
    page.mouse.up()


def test_from_a_file_to_an_answer_and_a_corrected_outline_changes_it(page: playwright.Page, files: Path):
    page.locator("input[type=file]").set_input_files(files / "image.png")
    page.get_by_text("image.png:").wait_for()
    corners = np.load(files / "corners.npy")
    for k, corner in enumerate(corners):
        click(page, *corner)
        page.locator(".overlay circle").nth(k).wait_for()
    click(page, *corners[0])
    page.locator(".overlay polygon.line").wait_for()
    page.get_by_label(label("age"), exact=True).fill("67")
    for name, chosen in {"shape": "Irregular", "margin": "Spiculated", "halo": "Yes"}.items():
        page.get_by_label(label(name)).click()
        page.get_by_role("option", name=chosen).click()
        page.keyboard.press("Escape")
    made_from = page.locator(".panel-foot")
    playwright.expect(made_from).to_contain_text("record, image, outline")
    first = answered(page)
    click(page, *corners[0], to=corners.mean(axis=0))
    playwright.expect(page.locator(".panel-answer")).not_to_have_text(first, use_inner_text=True)
    second = answered(page)
    playwright.expect(made_from).to_contain_text("record, image, outline")
    page.get_by_role("button", name=text("outline.undo")).click()
    playwright.expect(page.locator(".panel-answer")).not_to_have_text(second, use_inner_text=True)
    assert answered(page) == first
    page.emulate_media(media="print")
    sheet = page.locator(".sheet")
    for given in ("Age 67", "Shape Irregular", "Margin Spiculated", "Echogenic halo Yes", "Signs Not known"):
        playwright.expect(sheet.get_by_role("row", name=given)).to_be_visible()
    playwright.expect(sheet.locator(".number")).to_have_text(first.split("\n")[0])
    playwright.expect(sheet.locator(".picture polygon.line")).to_be_visible()


def test_the_keyboard_alone_draws_and_corrects(page: playwright.Page, files: Path):
    page.locator("input[type=file]").set_input_files(files / "image.png")
    figure = page.locator(".figure")
    figure.wait_for()
    figure.focus()
    page.keyboard.press("e")
    page.locator(".overlay circle").nth(11).wait_for()
    before = page.locator(".overlay polygon.line").get_attribute("points")
    page.keyboard.press("n")
    page.locator(".overlay circle.chosen").wait_for()
    page.keyboard.press("Shift+ArrowRight")
    playwright.expect(page.locator(".overlay polygon.line")).not_to_have_attribute("points", str(before))
    page.keyboard.press("Delete")
    playwright.expect(page.locator(".overlay circle")).to_have_count(11)


def test_the_frame_of_a_loop_is_chosen_with_the_keyboard(page: playwright.Page, files: Path):
    page.get_by_label(label("age"), exact=True).fill("67")
    page.locator("input[type=file]").set_input_files(files / "loop.dcm")
    page.get_by_text(text("frame.shown", frame=1, frames=3), exact=True).wait_for()
    answered(page)
    picture = page.locator(".figure img").first
    first = picture.get_attribute("src")
    slider = page.get_by_role("slider", name=text("frame.heading"))
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text(text("frame.shown", frame=2, frames=3), exact=True).wait_for()
    playwright.expect(slider).to_have_value("2")
    playwright.expect(picture).not_to_have_attribute("src", str(first))
    page.get_by_role("button", name=text("frame.next")).press("Enter")
    page.get_by_text(text("frame.shown", frame=3, frames=3), exact=True).wait_for()
    playwright.expect(slider).to_have_value("3")
    page.emulate_media(media="print")
    playwright.expect(page.locator(".sheet")).to_contain_text("loop.dcm, frame 3 of 3")


def test_a_broken_and_a_large_file_are_told_in_words(page: playwright.Page, files: Path):
    page.locator("input[type=file]").set_input_files(files / "broken.png")
    alert = page.get_by_role("alert")
    playwright.expect(alert).to_contain_text("This file can't be used.")
    playwright.expect(alert).to_contain_text("How to fix it")
    large = {"name": "large.png", "mimeType": "image/png", "buffer": bytes(2**20 + 1)}
    page.locator("input[type=file]").set_input_files(large)
    playwright.expect(alert).to_contain_text("larger than 1 MB")


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180)])
def test_the_warnings_stay_in_sight_and_nothing_is_cut_off(page: playwright.Page, size: tuple[int, int]):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.get_by_role("button", name=text("image.sample")).click()
    answered(page)
    page.get_by_label(label("age"), exact=True).fill("")
    page.locator(".panel-missing .ranges").wait_for()
    page.mouse.wheel(0, 500)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for words in ("not_a_device", "nothing_stored"):
        playwright.expect(page.get_by_text(text(words)).first).to_be_in_viewport()


def test_the_sheet_is_one_page_with_all_fields(page: playwright.Page):
    page.get_by_role("button", name=text("image.sample")).click()
    answered(page)
    page.locator(".panel-why table").wait_for()
    page.get_by_role("button", name=text("sheet.print")).wait_for()
    page.emulate_media(media="print")
    sheet = page.locator(".sheet")
    for name in (*RECORD, "birads"):
        playwright.expect(sheet.get_by_role("rowheader", name=label(name), exact=True).first).to_be_visible()
    for words in (text("not_a_device"), "Decision:", text("sheet.case")):
        playwright.expect(sheet.get_by_text(words).first).to_be_visible()
    assert not page.locator(".columns").is_visible()
    pages = re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))
    assert len(pages) == 1
