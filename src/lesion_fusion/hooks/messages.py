"""Hooks that say how far a run is, at which step it stopped, what it found and where its results are."""

from __future__ import annotations

import atexit
import json
import logging
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from rich.live import Live
from rich.text import Text

from lesion_fusion.datasets.files import replacing
from lesion_fusion.datasets.store import place_of
from lesion_fusion.hooks.engine import is_part
from lesion_fusion.notation import count, listing

logger = logging.getLogger(__name__)

_RESULTS = {
    "report": "report, for a browser",
    "paper_reproduction_report": "published study reproduced, for a browser",
    "leaderboard": "leaderboard",
}
_LONGEST_FINDING = 300
_SEVERITIES = {"error": "error", "warning": "warning", "info": "note"}
# One line per epoch, shown only where it replaces the one before; then those of folds and of searches too.
_EPOCHS = "lesion_fusion.imaging.training"
_PARTS = (_EPOCHS, "lesion_fusion.imaging.out_of_fold", "lesion_fusion.tabular.out_of_fold")


class Progress:
    """Logs a numbered line per step; on a terminal a last line shows the step's own progress and the time.

    The time left is told where an earlier run of the environment has timed all that remains, in `data/.seconds.json`.
    """

    def __init__(self) -> None:
        self._listener = _Listener()
        self._live: Live | None = None
        self._to_run: list[str] = []
        self._started: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    @hook_impl(trylast=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Count the steps, and read how long they took before."""
        self._to_run = _steps_to_run(pipeline, catalog if run_params.get("only_missing_outputs") else None)
        self._started, self._seconds = {}, {}
        self._begin = time.monotonic()
        self._environment = run_params.get("env") or "base"
        runner = str(run_params.get("runner"))
        # Steps that run side by side take longer each, and their sum is not the time left.
        self._one_by_one = runner == "None" or "SequentialRunner" in runner
        self._file = Path(run_params["project_path"]) / "data" / ".seconds.json"
        self._before: dict[str, float] = _read(self._file).get(self._environment, {}) if self._one_by_one else {}
        self._show(self._one_by_one)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Log the step's name, its number, and the time."""
        self._started[node.name] = time.monotonic()
        self._listener.text = ""
        # A worker knows no other steps than its own.
        logger.info(f"{self._number()}{node.name} ({self._time()})" if self._one_by_one else node.name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Note how long the step took."""
        self._seconds[node.name] = time.monotonic() - self._started[node.name]

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Log the step's name; the error itself is raised, and shown at the end of the run."""
        logger.error("Stopped in %s. What was done before stands; --only-missing-outputs goes on with it.", node.name)

    @hook_impl(tryfirst=True)
    def after_pipeline_run(self) -> None:
        """Keep how long the steps took, and remove the last line."""
        self._hide()
        if self._one_by_one and self._seconds:
            every = _read(self._file)
            every[self._environment] = every.get(self._environment, {}) | self._seconds
            with replacing(self._file) as draft:
                draft.write_text(json.dumps(every))

    @hook_impl(tryfirst=True)
    def on_pipeline_error(self) -> None:
        """Do the same."""
        self.after_pipeline_run()

    def _number(self) -> str:
        return f"[{len(self._started)}/{len(self._to_run)}] "

    def _time(self) -> str:
        """Return the time so far, and the time left where it is known: the earlier one, at the pace of this run."""
        so_far = f"{_duration(time.monotonic() - self._begin)} so far"
        left = [name for name in self._to_run if name not in self._seconds]
        if not self._before or any(name not in self._before for name in left):
            return so_far
        timed = self._seconds.keys() & self._before.keys()
        before = sum(self._before[name] for name in timed)
        pace = sum(self._seconds[name] for name in timed) / before if before else 1
        spent = sum(time.monotonic() - self._started[name] for name in left if name in self._started)
        return f"{so_far}, about {_duration(max(0, pace * sum(self._before[name] for name in left) - spent))} left"

    def _line(self) -> Text:
        shown = [f"{self._number()}{next(reversed(self._started), '')}", self._listener.text, self._time()]
        return Text("  ".join(filter(None, shown)), no_wrap=True, overflow="ellipsis")

    def _show(self, live: bool) -> None:
        """Show the last line, on a terminal, and let all that is logged stand above it."""
        console = rich.get_console()
        live = live and console.is_terminal and not console.is_dumb_terminal
        self._listener.listen(_PARTS if live else (_EPOCHS,))
        if not live:
            return
        self._live = Live(get_renderable=self._line, console=console, refresh_per_second=2, transient=True)
        terminal = sys.stdout
        self._live.start()
        # An interrupted run calls no hook, and the terminal would stay without a cursor.
        atexit.register(self._live.stop)
        self._move_log(terminal)

    def _hide(self) -> None:
        self._listener.listen(())
        if self._live is not None:
            shared = sys.stdout
            self._live.stop()
            self._move_log(shared)
            self._live = None

    def _move_log(self, before: object) -> None:
        """Have what is logged to `before` logged to the standard output of now."""
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                handler.setStream(sys.stdout)


class _Listener(logging.Handler):
    """Keeps the last message of some loggers, which log it no further."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._loggers: list[logging.Logger] = []

    def listen(self, names: tuple[str, ...]) -> None:
        for one in self._loggers:
            one.removeHandler(self)
            one.propagate = True
        self._loggers = [logging.getLogger(name) for name in names]
        for one in self._loggers:
            one.addHandler(self)
            one.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class ClosingMessage:
    """Logs the audit's findings, what a successful run found, and the places of report, MLflow page and lineage."""

    @hook_impl
    def after_node_run(self, outputs: dict[str, Any]) -> None:
        """Log what the audit found as soon as it is known: a model is trained on it next."""
        for line in audit_lines(outputs["cohort_audit"]["findings"]) if "cohort_audit" in outputs else []:
            logger.warning("%s", line)

    @hook_impl(trylast=True)
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Log what the run found and made, and the commands that show it."""
        if is_part(run_params):
            return
        env = f" --env {run_params['env']}" if run_params.get("env") not in (None, "local", "base") else ""
        outputs = pipeline.all_outputs()
        lines = ["Done."]
        if "cohort_audit" in outputs:
            lines.append(audit_summary(catalog.load("cohort_audit")["findings"]))
        if "planned_comparisons" in outputs:
            lines.append(_answer(catalog))
        lines.append("Next:")
        for name, what in _RESULTS.items():
            dataset = catalog.get(name) if name in outputs and name in catalog else None
            if (place := place_of(dataset)) is not None:
                lines.append(f"  {what}: {place}")
        lines.append(f"  runs, models, registry:  kedro mlflow ui{env}")
        lines.append(f"  lineage:                 kedro viz run{env}")
        if not outputs & {"report", "paper_reproduction_report"}:
            lines.append(f"  report on these results: kedro run --pipeline reporting --only-missing-outputs{env}")
        logger.info("\n".join(filter(None, lines)))


def audit_summary(findings: Sequence[Mapping[str, Any]]) -> str:
    """Return how many findings the audit has by severity."""
    number = Counter(finding["severity"] for finding in findings)
    found = listing([count(number[severity], name) for severity, name in _SEVERITIES.items()])
    return f"Audit of the cohort: {found}."


def audit_lines(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line per finding that is not explained and no mere note, errors first; long ones are cut."""
    graves = [one for severity in ("error", "warning") for one in findings if one["severity"] == severity]
    return [
        textwrap.shorten(f"{one['number']} ({one['severity']}): {one['sentence']}", _LONGEST_FINDING, placeholder=" …")
        for one in graves
        if not one["explanation"]
    ]


def _answer(catalog: CatalogProtocol[Any, Any]) -> str:
    # Imported here: Kedro imports this module for every command, and these take seconds.
    from lesion_fusion.config.reading import configuration
    from lesion_fusion.reporting.sections.answer import first_sentence

    configured = configuration()
    planned = catalog.load("planned_comparisons")
    return first_sentence(planned, configured.comparisons, configured.evaluation.confidence)


def _steps_to_run(pipeline: Pipeline, stored: CatalogProtocol[Any, Any] | None) -> list[str]:
    """Return the names of the steps that run: all, or those that Kedro runs where results in `stored` are reused."""
    if stored is None:
        return [node.name for node in pipeline.nodes]
    names: list[str] = []
    needed: set[str] = set()
    for node in reversed(pipeline.nodes):
        absent = {name for name in node.outputs if name not in stored or not stored.exists(name)}
        kept = {name for name in absent if name in stored and not isinstance(stored.get(name), MemoryDataset)}
        if kept or absent & needed or not node.outputs:
            names.append(node.name)
            needed |= set(node.inputs)
    return names


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _duration(seconds: float) -> str:
    """Return "40 s", "3 min" or "1 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
