"""Fill templates: sections of a report, and the page around them, one HTML file that needs nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from lesion_fusion.notation import count, listing, number, p_value, percent, sentence, signed, with_interval, words
from lesion_fusion.statistics.metrics import METRICS

PACKAGE = "lesion_fusion"
# Distance of the levels of a channel in drawings; 255 is a multiple, so that white and black stay. Twice this step
# would change the hue of pale bands.
COLOUR_STEP = 8.5
PHOTOGRAPH_QUALITY = 85
NOTATION = (number, signed, p_value, percent, words, sentence, count, listing, with_interval)
# Signs that would end a cell of a table, or open a link, emphasis, code or a tag in Markdown.
_SIGNS = str.maketrans({sign: f"&#{ord(sign)};" for sign in "&<>|`*[]\\"})


@dataclass(frozen=True)
class Statement:
    """What is found, in a sentence, and the numbers behind it."""

    headline: str
    detail: str


def fill(module: str, **values: Any) -> Markup:
    """Return the template that lies beside a module, filled in as HTML; every text from data is escaped.

    `module` is the module's `__name__`; its template has its name, followed by `.html.j2`.
    """
    return Markup(_environment().get_template(f"{_beside(module)}.html.j2").render(**values))


def fill_markdown(module: str, **values: Any) -> str:
    """Return the template `.md.j2` that lies beside a module, filled in; inserted texts are lines without markup."""
    environment = _environment().overlay(autoescape=False, finalize=_plain)
    return environment.get_template(f"{_beside(module)}.md.j2").render(**values)


def _beside(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.").replace(".", "/")


def _plain(value: object) -> object:
    return value if isinstance(value, Markup) else " ".join(str(value).split()).translate(_SIGNS)


def render_page(module: str = __name__, **values: Any) -> str:
    """Return a whole page: the template beside `module`, which is or extends `page.html.j2`.

    That frame reads `title`, `heading`, `cohort` (a `CohortDescription`), `identity` (what identifies the study, by
    label; `lesion-fusion` is the version), `answer` (HTML), `contents` (titles by anchor) and, unless the page has a
    block `sections` of its own, `sections` (HTML by anchor).
    """
    return str(fill(module, **values))


def breakable(name: str) -> Markup:
    """Return a name that a narrow column may break after a dot or an underscore, escaped."""
    return Markup(re.sub(r"([._])", r"\1<wbr>", str(escape(name))))


def data_uri(picture: bytes, photograph: bool = False) -> str:
    """Return a PNG picture as an address that holds it, as WebP.

    A drawing is kept pixel by pixel with 31 levels per channel, which nobody can see and saves a third of the space. A
    photograph is compressed with losses.
    """
    webp = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        if photograph:
            image.convert("RGB").save(webp, "WEBP", quality=PHOTOGRAPH_QUALITY)
        else:
            steps = image.convert("RGB").point(lambda level: round(COLOUR_STEP * round(level / COLOUR_STEP)))
            steps.save(webp, "WEBP", lossless=True, method=3)
    return f"data:image/webp;base64,{base64.b64encode(webp.getvalue()).decode('ascii')}"


@cache
def _environment() -> Environment:
    """Return the environment of all templates; all know `METRICS` and the macros of `page_macros.html.j2`."""
    loader = PackageLoader(PACKAGE, ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {function.__name__: function for function in (breakable, data_uri, *NOTATION)}
    macros = environment.get_template("reporting/page_macros.html.j2").module
    environment.globals |= {name: macro for name, macro in vars(macros).items() if not name.startswith("_")}
    source = loader.get_source(environment, "reporting/page_script.js")[0]
    # A browser runs this very script and no other, whatever text a cohort or a configuration brings.
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")
    environment.globals |= {"METRICS": METRICS, "script": Markup(source), "script_digest": digest}
    return environment
