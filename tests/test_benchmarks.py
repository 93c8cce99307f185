"""Every benchmark can be started: what it imports of the package is there."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# One has no options: to start it is to measure.
BENCHMARKS = sorted(file for file in (ROOT / "benchmarks").glob("*.py") if "argparse" in file.read_text())


@pytest.mark.medium
@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.name)
def test_it_tells_its_options(file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with monkeypatch.context() as patch:
        # As the interpreter does for a script.
        patch.syspath_prepend(str(file.parent))
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(file), run_name="__main__")
    assert not ended.value.code
    assert "usage" in capsys.readouterr().out
