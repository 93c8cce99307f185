"""Every benchmark can be started: what it imports of the package is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# One has no options: to start it is to measure.
BENCHMARKS = sorted(file for file in (ROOT / "benchmarks").glob("*.py") if "argparse" in file.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.name)
def test_it_tells_its_options(file: Path):
    done = subprocess.run(
        [sys.executable, file, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "usage" in done.stdout
