"""Every section has its two files."""

from __future__ import annotations

from pathlib import Path

import lesion_fusion.reporting.sections as package
from lesion_fusion.reporting.sections import SECTIONS


def test_every_module_and_every_template_is_a_section() -> None:
    folder = Path(package.__file__).parent
    names = sorted(section.name for section in SECTIONS)
    assert sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__") == names
    assert sorted(file.name.removesuffix(".html.j2") for file in folder.glob("*.j2")) == names
