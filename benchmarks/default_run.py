"""Where the time of a run of the default goes: shares of training, judging, plots, tracking, report and the rest.

Run `python benchmarks/default_run.py`; options are passed on to `kedro run`, by default `--pipeline fusion`. The run is
one of a copy of the project in a temporary folder. A step's time lasts until the next one is named, so that
what it saves is counted to it. Ratios within one run hold on a machine that does other work too; of the seconds those
of the processor do. With `--pipeline clinical_models --params synthetic.cases=10000` it shows how a run grows.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STEP = re.compile(r"\[\d+/\d+\] (\S+)")
# The first that fits the name of a step is its part.
PARTS = {
    "train": r"\.train$|\.train_outline_networks$|\.backbone_",
    "data": r"^(ingestion|preprocessing)\.",
    "plot": r"\.draw",
    "report": r"^reporting\.",
    "track": r"\.track$|^fusion\.(name_registered_models|nominate|make_servable|make_smoke_test|promote|write_cards)$",
    "judge": r".",
}
SLOWEST = 12


def part_of(step: str) -> str:
    """Return the part that a step belongs to."""
    return next(part for part, pattern in PARTS.items() if re.search(pattern, step))


def copy_project(folder: Path) -> None:
    """Copy what a run reads; results, and settings of this machine alone, stay behind."""
    for name in ("src", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "conf" / "local").mkdir()
    (folder / "data").mkdir()


def timed_run(folder: Path, arguments: list[str]) -> dict[str, float]:
    """Return the seconds of each step, and of `start`, by the clock on the wall; raises where the run fails."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "DO_NOT_TRACK": "true", "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "kedro", "run", *arguments]
    seconds: dict[str, float] = {}
    step, since = "start", time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            named = STEP.search(line)
            if named or line.rstrip().endswith("Done."):
                now = time.perf_counter()
                seconds[step] = now - since
                step, since = named[1] if named else "end", now
    if run.returncode:
        raise SystemExit(f"The run failed: {' '.join(command)}")
    return seconds


def main() -> None:
    """Print the seconds, the shares, what all but training costs beside it, and the slowest steps."""
    _, options = argparse.ArgumentParser(description=__doc__).parse_known_args()
    with tempfile.TemporaryDirectory() as name:
        copy_project(Path(name))
        began = time.perf_counter()
        seconds = timed_run(Path(name), options or ["--pipeline", "fusion"])
        wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    parts: dict[str, float] = defaultdict(float)
    for step, value in seconds.items():
        parts[step if step == "start" else part_of(step)] += value
    # Linux counts memory in KiB; of several processes it is the largest one's.
    memory = used.ru_maxrss / 1024
    print(f"{wall:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of the processor, at most {memory:.0f} MiB")
    for part in ("start", *PARTS):
        print(f"{part:6} {parts[part]:6.1f} s  {parts[part] / wall:4.0%}")
    print(f"all but train: {(wall - parts['train']) / parts['train']:.2f} times train")
    for step, value in sorted(seconds.items(), key=lambda one: -one[1])[:SLOWEST]:
        print(f"  {value:6.1f} s  {step}")


if __name__ == "__main__":
    main()
