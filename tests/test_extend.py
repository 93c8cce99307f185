"""The pages on extending the project are followed word for word, in a copy of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, copy_project

PAGES = [ROOT / "docs" / "how-to" / name for name in ("extend.md", "your-own-cohort.md")]
CHECKS = Path(__file__).with_name("extended_project.py")
NAMED = re.compile(r"(?:\+\+\+|#|\{#) ((?:src|conf)/\S+)(?: #\})?")


def follow(block: str, root: Path) -> None:
    """Write the new file that a block holds, or change the file that it names; other blocks are left alone."""
    label, _, body = block.partition("\n")
    named = NAMED.fullmatch(label)
    if named is None:
        return
    file = root / named[1]
    if not label.startswith("+++"):
        assert not file.exists(), f"{named[1]} is there already: show what changes in it"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body)
        return
    lines = body.splitlines()
    before = "\n".join(["", *(line[1:] for line in lines if line[:1] != "+"), ""])
    after = "\n".join(["", *(line[1:] for line in lines if line[:1] != "-"), ""])
    text = "\n" + file.read_text()
    assert text.count(before) == 1, f"{named[1]} does not hold once:{before}"
    file.write_text(text.replace(before, after)[1:])


@pytest.mark.slow
def test_the_recipes_do_what_they_say(tmp_path: Path):
    project = copy_project(tmp_path)
    for page in PAGES:
        for block in re.findall(r"```\w+\n(.*?)```", page.read_text(), flags=re.DOTALL):
            follow(block, project.folder)
    shutil.copy(CHECKS, project.folder / "test_recipes.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_recipes.py"]
    # More threads than cores make the small trainings many times slower.
    environment = project.environment(OMP_NUM_THREADS="1")
    checked = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert checked.returncode == 0, checked.stdout[-5000:] + checked.stderr[-2000:]
