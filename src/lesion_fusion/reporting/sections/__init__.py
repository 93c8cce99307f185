"""The report's sections: a module and a template of its name each, and one line here.

A section's module has a `TITLE`, the `DATASETS` that it shows, and `write`, which takes them in that order and returns
the section's HTML.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from markupsafe import Markup

# In the order of the page; the first is the answer, which stands above the contents.
NAMES = (
    "answer",
    "participants",
    "audit",
    "models",
    "leaderboard",
    "families",
    "steps",
    "missing",
    "reader",
    "curves",
    "explanations",
    "networks",
    "registration",
    "limitations",
    "each_model",
    "reproduce",
)


@dataclass(frozen=True)
class Section:
    """A section: its name, which is its anchor in the page too, its title, and how it is made of which datasets."""

    name: str
    title: str
    datasets: tuple[str, ...]
    write: Callable[..., Markup]


def _section(name: str) -> Section:
    module = import_module(f"{__name__}.{name}")
    return Section(name, module.TITLE, module.DATASETS, module.write)


SECTIONS = tuple(_section(name) for name in NAMES)
