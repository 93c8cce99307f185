"""Time from the command until the page is usable, and from a file or a sample until its answer and its reasons.

Run `python benchmarks/page.py --project FOLDER`, a folder of the project with a finished run, where Chromium is
installed. Of each step it prints the seconds by the clock, which vary with what else the machine does, and the
processor's seconds of the server, which vary less. The first answers are asked as soon as the record's form is there;
later ones are medians.
"""

from __future__ import annotations

import argparse
import base64
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, sync_playwright

from lesion_fusion.page.case import Case, sample
from lesion_fusion.page.texts import label, text

COMMANDS = {"kedro": ["kedro"], "lesion-fusion": ["lesion_fusion"]}
# In milliseconds; far more than any step takes.
PATIENCE = 180_000


class Stopwatch:
    """Seconds since its start or its last lap, by the clock and of a server's processor."""

    def __init__(self, server: int) -> None:
        self._server = psutil.Process(server)
        self._seen = time.perf_counter(), 0.0

    def lap(self) -> np.ndarray:
        """Return the seconds of the lap that ends here."""
        used = self._server.cpu_times()
        now, before = (time.perf_counter(), used.user + used.system), self._seen
        self._seen = now
        return np.subtract(now, before)


def show(what: str, seconds: np.ndarray) -> None:
    """Print a row of Markdown."""
    print(f"| {what} | {seconds[0]:.2f} | {seconds[1]:.2f} |", flush=True)


def answered(page: Page, name: str, ask: Callable[[], object], watch: Stopwatch) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds from what asks for the case `name` until its answer is shown, and until its reasons are."""
    watch.lap()
    ask()
    page.get_by_role("status").filter(has_text=name).wait_for()
    page.locator(".answer-card[aria-busy=false] .panel-answer .number").wait_for()
    answer = watch.lap()
    page.locator(".panel-why table").wait_for()
    return answer, answer + watch.lap()


def upload(page: Page, name: str, case: Case) -> None:
    """Give the page the image of a case as a file, and an age, so that a model of the record can answer."""
    page.get_by_label(label("age"), exact=True).fill("50")
    content = base64.b64decode(case.coded)
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})


def measure(page: Page, address: str, watch: Stopwatch, times: int, started: np.ndarray) -> None:
    """Print how long each step takes, after those that the command `started` in."""
    page.goto(address)
    page.get_by_role("button", name=text("image.sample")).wait_for()
    show("from the address until an image can be opened", opened := watch.lap())
    page.locator(".form .alert").or_(page.get_by_label(label("age"), exact=True)).wait_for()
    if page.locator(".form .alert").count():
        sys.exit(page.locator(".form .alert").inner_text())
    page.get_by_label(label("age"), exact=True).fill("50")
    show("from then until the record is filled in", filled := watch.lap())
    show("from the command until the record is filled in", started + opened + filled)
    page.locator(".answer-card[aria-busy=false] .panel-answer .number").wait_for()
    show("from then until its answer", watch.lap())
    cases = [sample(k) for k in range(times + 1)]
    next_sample = page.get_by_role("button", name=text("image.sample"))
    asks: dict[str, list[tuple[str, Callable[[], object]]]] = {
        "a file": [(f"{k}.png", partial(upload, page, f"{k}.png", case)) for k, case in enumerate(cases)],
        "a sample": [(case.name, next_sample.click) for case in cases],
    }
    for what, steps in asks.items():
        taken = [answered(page, name, ask, watch) for name, ask in steps]
        for name, found in zip(("answer", "answer with why"), zip(*taken, strict=True), strict=True):
            show(f"first {name} to {what}", found[0])
            show(f"a later {name} to {what}", np.median(found[1:], axis=0))


def main() -> None:
    """Start the command and a browser, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path.cwd(), help="folder of a project with a finished run")
    parser.add_argument("--command", choices=list(COMMANDS), default="kedro", help="what opens the page")
    parser.add_argument("--model", default="models:/lesion-fusion@champion", help="what answers")
    parser.add_argument("--times", type=int, default=9, help="later answers to take the median of")
    options = parser.parse_args()
    command = [sys.executable, "-m", *COMMANDS[options.command], "page", "--model", options.model]
    command += ["--no-browser", "--port", "0"]
    begin = time.perf_counter()
    with sync_playwright() as driver:
        # Open before the command, as a reader's browser is.
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE)
        with subprocess.Popen(command, cwd=options.project, stdout=subprocess.PIPE, text=True) as server:
            try:
                watch = Stopwatch(server.pid)
                assert server.stdout is not None
                address = next(found for line in server.stdout if (found := re.search(r"http://\S+/", line)))[0]
                print("| what | seconds | of the server's processor |\n|---|---|---|")
                show("from the command until the address is there", started := watch.lap())
                measure(page, address, watch, options.times, started)
            finally:
                server.terminate()
        browser.close()
    print(f"{time.perf_counter() - begin:.0f} seconds in all")


if __name__ == "__main__":
    main()
