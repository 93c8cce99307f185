"""Fill the report's template: one HTML file that needs nothing from outside."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from lesion_fusion.reporting import notation
from lesion_fusion.reporting.results import Report

TEMPLATE = "report.html.j2"


def render(report: Report) -> str:
    """Return the report as HTML; every text from data or configuration is escaped."""
    return _environment().get_template(TEMPLATE).render(report=report, metrics=notation.METRICS)


def data_uri(picture: bytes) -> str:
    """Return a PNG picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lesion_fusion.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "data_uri": data_uri,
        "number": notation.number,
        "signed": notation.signed,
        "p_value": notation.p_value,
        "percent": notation.percent,
        "words": notation.words,
        "count": notation.count,
        "listing": notation.listing,
    }
    return environment
