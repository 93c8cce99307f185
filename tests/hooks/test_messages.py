"""Steps are numbered, epochs stay in one line of a terminal, and a time left is told only where it is known."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
import rich
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from rich.console import Console

from lesion_fusion.hooks import messages
from lesion_fusion.hooks.messages import ClosingMessage, Progress, audit_lines, audit_summary

STEPS = Pipeline(
    [node(len, "a", "b", name="first"), node(len, "b", "c", name="second"), node(len, "c", "d", name="third")]
)
TRAINING = logging.getLogger("lesion_fusion.imaging.training")


def run(
    project: Path, caplog: pytest.LogCaptureFixture, clock: list[float], seconds: tuple[int, ...], **params
) -> list[str]:
    """Return the lines of a run whose steps take so many seconds; each logs an epoch."""
    caplog.clear()
    progress = Progress()
    with caplog.at_level(logging.INFO, logger="lesion_fusion"):
        progress.before_pipeline_run({"project_path": str(project), "env": "toy", **params}, STEPS, None)
        for step, took in zip(STEPS.nodes, seconds, strict=False):
            progress.before_node_run(step)
            TRAINING.info("epoch %d", 1)
            clock[0] += took
            progress.after_node_run(step)
        (progress.after_pipeline_run if len(seconds) == len(STEPS.nodes) else progress.on_pipeline_error)()
    return caplog.messages


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(messages.time, "monotonic", lambda: now[0])
    return now


def test_a_first_run_tells_the_time_so_far_and_the_next_one_that_left(tmp_path: Path, caplog, clock):
    first = run(tmp_path, caplog, clock, (60, 120, 40))
    assert first == ["[1/3] first (0 s so far)", "[2/3] second (1 min so far)", "[3/3] third (3 min so far)"]
    # Twice as fast: what remains, 160 s, is expected to take half as long.
    again = run(tmp_path, caplog, clock, (30, 60, 20))
    assert again[0] == "[1/3] first (0 s so far, about 4 min left)"
    assert again[1] == "[2/3] second (30 s so far, about 1 min left)"


def test_no_time_left_is_told_where_a_step_was_never_timed_or_several_run_at_once(tmp_path: Path, caplog, clock):
    run(tmp_path, caplog, clock, (60, 120))
    assert not any("left" in line for line in run(tmp_path, caplog, clock, (60, 120)))
    run(tmp_path, caplog, clock, (60, 120, 40))
    assert not any("left" in line for line in run(tmp_path, caplog, clock, (1, 1, 1), runner="<ThreadRunner>"))
    assert not any("left" in line for line in run(tmp_path, caplog, clock, (1, 1, 1), env="other"))
    assert json.loads((tmp_path / "data" / ".seconds.json").read_text())["toy"]["third"] == 40


def test_a_terminal_shows_epochs_in_its_last_line_and_the_log_above_it(tmp_path: Path, caplog, clock, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(rich, "get_console", lambda: Console(file=shown, force_terminal=True, width=100))
    assert run(tmp_path, caplog, clock, (1, 1, 1))[0].startswith("[1/3] first")
    assert "[3/3] third  epoch 1" in shown.getvalue()
    # The cursor is shown again, and epochs are logged as before.
    assert shown.getvalue().rindex("\x1b[?25h") > shown.getvalue().rindex("\x1b[?25l")
    assert TRAINING.propagate
    assert not TRAINING.handlers


@pytest.mark.medium
@given(kept=st.sets(st.sampled_from("bcdefg")), stored=st.sets(st.sampled_from("bcdefg")))
def test_steps_that_are_reused_are_not_counted(
    tmp_path_factory: pytest.TempPathFactory, kept: set[str], stored: set[str]
):
    """As Kedro chooses them; `kept` datasets have files, and those in `stored` exist."""
    folder, ran = tmp_path_factory.mktemp("stored"), []

    def step(name: str):
        def made(*_: object) -> int:
            ran.append(name)
            return 1

        return made

    edges = {"b": ["a"], "c": ["b"], "d": ["b", "c"], "e": ["a"], "f": ["d", "e"], "g": ["c"]}
    pipeline = Pipeline([node(step(out), inputs, out, name=out) for out, inputs in edges.items()])
    datasets = {name: JSONDataset(filepath=str(folder / name)) for name in kept | {"a"}}
    catalog = DataCatalog(datasets)
    for name in (kept & stored) | {"a"}:
        catalog.save(name, 1)
    expected = messages._steps_to_run(pipeline, catalog)
    SequentialRunner().run(pipeline, catalog, only_missing_outputs=True)
    assert sorted(expected) == sorted(ran)


def finding(number: str, severity: str, explanation: str | None = None) -> dict[str, object]:
    return {"number": number, "severity": severity, "explanation": explanation, "sentence": f"{number} is so."}


def test_the_audit_is_counted():
    found = [
        finding("LF203", "warning"),
        finding("LF301", "error", "known"),
        finding("LF302", "error"),
        finding("LF1", "info"),
    ]
    expected = "Audit of the cohort: 2 errors, 1 warning and 1 note."
    assert audit_summary(found) == expected
    assert audit_summary([finding("LF1", "info")]) == "Audit of the cohort: 0 errors, 0 warnings and 1 note."


def test_findings_that_are_not_explained_have_a_line_each_errors_first(caplog):
    found = [
        finding("LF1", "info"),
        finding("LF2", "warning"),
        finding("LF3", "warning", "known"),
        finding("LF4", "error") | {"sentence": "word " * 200},
    ]
    lines = audit_lines(found)
    assert [line[:3] for line in lines] == ["LF4", "LF2"]
    assert all("\n" not in line and len(line) <= 300 for line in lines)
    with caplog.at_level(logging.WARNING, logger="lesion_fusion"):
        ClosingMessage().after_node_run({"cohort_audit": {"findings": found}})
        ClosingMessage().after_node_run({"cases": None})
    assert caplog.messages == lines
