"""Fill the templates of reports: each one HTML file that needs nothing from outside."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from lesion_fusion import notation
from lesion_fusion.reporting.results import Report
from lesion_fusion.statistics.metrics import METRICS, tabulated_metrics

TEMPLATE = "report.html.j2"


def render(report: Report) -> str:
    """Return the report as HTML."""
    return render_page(
        TEMPLATE,
        report=report,
        metrics=METRICS,
        tabulated=tabulated_metrics(),
    )


def render_page(template: str, **values: Any) -> str:
    """Return a template filled in as HTML; every text from data or configuration is escaped."""
    return _environment().get_template(template).render(**values)


def breakable(name: str) -> Markup:
    """Return a name that a narrow column may break after a dot or an underscore, escaped."""
    return Markup("").join(
        escape(part) + (Markup("<wbr>") if part in (".", "_") else "") for part in re.split(r"([._])", name)
    )


def data_uri(picture: bytes) -> str:
    """Return a PNG picture as an address that holds it: as WebP, without loss, which takes less than half the place."""
    webp = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.save(webp, "WEBP", lossless=True, method=1)
    return f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode('ascii')}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lesion_fusion.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "breakable": breakable,
        "data_uri": data_uri,
        "number": notation.number,
        "signed": notation.signed,
        "p_value": notation.p_value,
        "percent": notation.percent,
        "words": notation.words,
        "sentence": notation.sentence,
        "count": notation.count,
        "listing": notation.listing,
    }
    return environment
