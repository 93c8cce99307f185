"""Which model of each family is registered, as what, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from lesion_fusion.reporting.page import fill


def write(promotion: Sequence[Mapping[str, Any]]) -> Markup:
    """Return the section as HTML."""
    return fill(__name__, promotion=promotion)
