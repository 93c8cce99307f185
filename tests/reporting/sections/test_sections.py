"""Every section has its two files, and its function reads as many datasets as it names."""

from __future__ import annotations

import inspect
from pathlib import Path

import lesion_fusion.reporting.sections as package
from lesion_fusion.reporting.sections import SECTIONS


def test_every_module_and_every_template_is_a_section() -> None:
    folder = Path(package.__file__).parent
    names = sorted(section.name for section in SECTIONS)
    assert sorted(file.stem for file in folder.glob("*.py") if file.stem != "__init__") == names
    assert sorted(file.name.removesuffix(".html.j2") for file in folder.glob("*.j2")) == names


def test_each_function_takes_the_datasets_of_its_section() -> None:
    for section in SECTIONS:
        assert len(inspect.signature(section.write).parameters) == len(section.datasets)
