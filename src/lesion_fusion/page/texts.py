"""The page's texts, all from `texts.yml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lesion_fusion.cohort.schema import COLUMN, split_cell

_FILE = Path(__file__).with_name("texts.yml")


@cache
def _texts() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found


def text(key: str, **values: object) -> str:
    """Return the text at a dotted `key`, its names in braces replaced by `values`."""
    found: Any = _texts()
    for part in key.split("."):
        found = found[part]
    return str(found).format(**values) if values else str(found)


def label(field: str) -> str:
    """Return the name of a field of the record, or of a part of a case; its own name where it has no text."""
    known = _texts()["fields"].get(field, {})
    return str(known.get("label") or _texts()["parts"].get(field) or field.replace("_", " ").capitalize())


def explanation(field: str) -> str:
    """Return what a field of the record means."""
    known = _texts()["fields"].get(field, {})
    return str(known.get("help") or COLUMN[field].description)


def category(field: str, name: str) -> tuple[str, str]:
    """Return the name of a category and its explanation ("" where there is none)."""
    shown, meaning = _texts()["fields"].get(field, {}).get("categories", {}).get(name, (name.replace("_", " "), ""))
    return str(shown), str(meaning)


def value_text(field: str, value: object) -> str:
    """Return a value of the record in words."""
    if value is None or value == "":
        return text("not_given")
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(category(field, one)[0] for one in split_cell(value)) or str(value)


def class_text(name: str) -> str:
    """Return the name of a class in words."""
    return str(_texts()["classes"].get(name, name))


def percent(value: float) -> str:
    """Return a probability as a percentage, of two digits where it is small or large, such as 8.8 %; in one word."""
    shown = 100 * value
    if 0 < shown < 0.1 or 99.9 < shown < 100:
        digits = "< 0.1" if shown < 1 else "> 99.9"
    else:
        digits = f"{shown:.1f}" if shown < 10 or shown > 90 else f"{shown:.0f}"
    return f"{digits} %".replace(" ", "\N{NO-BREAK SPACE}")
