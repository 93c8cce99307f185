"""The panels of the page as HTML: what the model said of a case, in words, on scales, and as a sheet to print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from lesion_fusion.page.case import BIRADS, Case, Told
from lesion_fusion.page.outline import Outline
from lesion_fusion.page.texts import class_text, label, percent, text, value_text

if TYPE_CHECKING:
    from lesion_fusion.models.base import FittedModel
    from lesion_fusion.models.domain import Domain

# Parts of a case, as models need them.
_NEEDS = ("record", "image", "mask")
# What an answer asks for, as the part of the case that it belongs to.
_PARTS = {"image_png": "image", "tumor_mask_png": "mask", "the record": "record"}
_LEFT, _WIDTH = 20, 560
# The longest bar of a contribution reaches this far, and no bar is drawn longer than for this many log-odds.
_BAR, _LEAST_LONGEST = 96, 0.5


def view(case: Case, told: Told, model: FittedModel, domain: Domain) -> dict[str, Any]:
    """Return what the panels show."""
    answer, missing = told.answer, told.why.get("missing", {})
    asked = str(answer.get("ask_for", ""))
    birads = str(case.record.get(BIRADS, ""))
    n, malignant = domain.birads.get(birads, (0, 0))
    told_of = text("reader.told", malignant=malignant, n=n, share=percent(malignant / n)) if n else ""
    return {
        "answer": answer,
        "fault": told.fault,
        "positive": class_text(model.classes[-1]),
        "words": _words(answer, domain.rules.confidence),
        "asked": [_PARTS.get(one, one) for one in asked.split(" and ")],
        "ask_for": ", ".join(label(one) for one in asked.split(" and ")) if asked else "",
        "birads": birads,
        "birads_told": told_of or text("reader.unknown_category"),
        "why": _why(case, told.why.get("fields", {})),
        "heat_maps": told.why.get("heat_maps", {}),
        "explained": bool(told.why),
        "missing_parts": _missing_parts(case, model, domain) if answer else [],
        "missing": [
            {"name": name, "label": label(name), "low": low, "high": high} for name, (low, high) in missing.items()
        ],
        "parts": ", ".join(label(one) for one in str(answer.get("parts") or "").split(", ") if one),
    }


def sheet_view(case: Case, told: Told, model: FittedModel, domain: Domain, fields: Sequence[str]) -> dict[str, Any]:
    """Return what the printed sheet shows: all of `view`, the image, and every one of `fields`."""
    added = told.why.get("fields", {})
    return view(case, told, model, domain) | {
        "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "name": image_name(case),
        "picture": case.picture,
        "size": case.outline.size if case.outline is not None else (1, 1),
        "overlay": Markup(overlay(case.outline, corners=False)),
        "outline_words": outline_words(case.outline, hint=False),
        "record": [
            {
                "label": label(name),
                "value": value_text(name, case.record.get(name)),
                "added": _amount(added[name]) if name in added else "",
            }
            for name in fields
        ],
    }


@cache
def _panels() -> Any:
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.globals |= {"t": text, "pct": percent, "cls": class_text, "x": lambda p: round(_LEFT + _WIDTH * p, 1)}
    return environment.get_template("panels.html.j2").module


def panel(name: str, shown: Mapping[str, Any]) -> str:
    """Return one of the panels answer, reader, why, missing, foot and sheet as HTML."""
    return str(getattr(_panels(), name)(shown))


def overlay(outline: Outline | None, corners: bool = True) -> str:
    """Return the outline as SVG in the image's pixels, with its points where they can be moved."""
    if outline is None or not outline.points:
        return ""
    width, height = outline.size
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline.points)
    shape = "polygon" if outline.closed else "polyline"
    radius = max(outline.size) / 100
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * (1.6 if k == outline.chosen else 1):.2f}" '
        f'class="{"point chosen" if k == outline.chosen else "point"}"/>'
        for k, (x, y) in enumerate(outline.points)
    )
    return (
        f'<svg class="outline" viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">'
        f'<{shape} class="under" points="{points}"/><{shape} class="line" points="{points}"/>{dots if corners else ""}'
        "</svg>"
    )


def image_name(case: Case) -> str:
    """Return the name of the image, with its frame where the file is a loop."""
    return text("frame.name", name=case.name, frame=case.frame, frames=case.frames) if case.loop else case.name


def outline_words(outline: Outline | None, hint: bool = True) -> str:
    """Return in words how far the outline is, and with `hint` what can be done next."""
    if outline is None or not outline.points:
        words, more = "outline.none", "outline.none_hint"
        return f"{text(words)} {text(more)}" if hint else text(words)
    words = text("outline.points", points=len(outline.points))
    if outline.usable:
        area = text("outline.area", area=f"{100 * outline.area:.1f}")
        words = f"{text(f'sources.{outline.source}')} {area}, {words}"
    if not hint:
        return f"{words}."
    return f"{words}. {text('outline.closed_hint' if outline.usable else 'outline.drawing_hint')}"


def _words(answer: Mapping[str, Any], confidence: float) -> list[str]:
    """Return the answer in sentences."""
    p, low, high, threshold = (answer.get(name) for name in ("probability", "low", "high", "threshold"))
    if not answer:
        return []
    if p is None:
        return [text("answer.no_answer")]
    words = [text("answer.no_interval", probability=percent(p))]
    if low is not None and high is not None:
        bounds = {
            "low": percent(low),
            "high": percent(high),
            "confidence": f"{100 * confidence:.0f}\N{NO-BREAK SPACE}%",
        }
        words = [text("answer.in_words", probability=percent(p), **bounds)]
    if answer["abstained"]:
        return [*words, text("answer.too_little" if answer["ask_for"] else "answer.too_close")]
    decision = class_text(str(answer["decision"]))
    if threshold is None:
        return [*words, text("answer.plain", decision=decision)]
    side = "answer.above" if p >= threshold else "answer.below"
    words.append(text(side, threshold=percent(threshold), decision=decision))
    if low is not None and high is not None and low <= threshold <= high:
        words.append(text("answer.unsure"))
    return words


def _why(case: Case, added: Mapping[str, float]) -> list[dict[str, Any]]:
    longest = max((abs(value) for value in added.values()), default=0)
    return [
        {
            "label": label(name),
            "value": value_text(name, case.record.get(name)),
            "added": value,
            "length": round(_BAR * abs(value) / max(longest, _LEAST_LONGEST), 1),
            "amount": _amount(value),
        }
        for name, value in added.items()
    ]


def _amount(log_odds: float) -> str:
    """Return by what the odds are multiplied or divided."""
    return text("why.times" if log_odds >= 0 else "why.by", factor=f"{math.exp(abs(log_odds)):.2f}")


def _missing_parts(case: Case, model: FittedModel, domain: Domain) -> list[str]:
    outlined = case.image is not None and case.outline is not None and case.outline.usable
    outlined = outlined and case.proposal(domain.outlines) is None
    given = (any(name in case.record for name in model.record_columns), case.image is not None, outlined)
    return [need for need, there in zip(_NEEDS, given, strict=True) if need in model.needs and not there]
