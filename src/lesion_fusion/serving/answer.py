"""Answer a request: each case by the part of the model that can use what it gives, with an interval, or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.record import canonical_cell
from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.models.base import CaseInputs, FittedModel, Need
from lesion_fusion.models.domain import FIELDS, Domain, distance
from lesion_fusion.serving.drawing import Draw, outlined
from lesion_fusion.serving.request import Record, Request, check_outlines, parse_request, unknown_fields
from lesion_fusion.serving.schema import CASE, IMAGE, MASK, answer_fields
from lesion_fusion.serving.usable import Usable, usable
from lesion_fusion.serving.why import birads_statement, contributions, heat_maps, possible

_NAMES = {Need.RECORD: "the record", Need.IMAGE: IMAGE, Need.MASK: MASK}
# What a request may be asked to give next: one part, an image with its outline, or all.
_MORE: dict[frozenset[Need], dict[Need, str]] = {
    frozenset(more): {need: _NAMES[need] for need in more}
    for more in ([Need.MASK], [Need.RECORD], [Need.IMAGE], [Need.IMAGE, Need.MASK], list(Need))
}


def answer(
    model: FittedModel, domain: Domain, rows: pd.DataFrame, version: str, draw: Draw | None = None
) -> pd.DataFrame:
    """Return a row per case of a request, a frame of the fields in `schema.request_fields`; `draw` see `outlined`.

    Columns are those of `schema.answer_fields`; `probability` is that of the last class, `low` and `high` bound its
    interval, `reason` says what is missing or was not used and why, `ask_for` what would narrow the interval most.
    Where that is too much for a decision, it is None; where nothing can answer, the numbers are None too.
    Raises `RequestError` for a request that is not well formed.
    """
    answered: dict[str, np.ndarray] = {}

    def answer_from_record(records: Sequence[Record]) -> None:
        answered.update(model.answered_from_record(lambda columns: _record_table(columns, records)))

    unknown = _check_fields(model, domain, rows)
    request = parse_request(rows, model.record_columns, Need.IMAGE in model.needs, meanwhile=answer_from_record)
    request = outlined(request, model, domain, draw)
    cases = zip(request.records, request.images, request.masks, strict=True)
    judged = [usable(record, image, mask, model, domain) for record, image, mask in cases]
    found: list[dict[str, Any]] = [{} for _ in judged]
    # Cases that give the same parts are answered together: a network takes a batch in little more time than a case.
    for parts in dict.fromkeys(frozenset(case.parts) for case in judged):
        members = [i for i, case in enumerate(judged) if case.parts == parts]
        able = model.reduced(parts)
        gaps = [_gap(model, able, domain, parts, request.records[i], judged[i]) for i in members]
        if able is None:
            nothing = dict.fromkeys(answer_fields(model)) | {
                "abstained": True,
                "parts": "",
                "model": model.full_name,
                "site": "",
            }
            answers = [nothing | {"reason": gap.reason, "ask_for": gap.ask_for} for gap in gaps]
        else:
            there = {name: probabilities[members] for name, probabilities in answered.items()}
            inputs = replace(_inputs(able, request, members, judged), answered=there)
            answers = _answers(model, parts, inputs, gaps, domain)
        for i, said in zip(members, answers, strict=True):
            found[i] = said | {
                "version": version,
                "reason": "; ".join(filter(None, (said["reason"], request.notes[i], unknown))),
            }
    # As objects, so that what is not there is None, which JSON knows.
    return pd.DataFrame(found, dtype=object)


@dataclass(frozen=True)
class Gap:
    """What a case lacks for its answer: how far that might move it (a standard deviation of log-odds), and in words.

    `cutoff`: how many such deviations from the threshold a decision needs. `thin`: there is none, however far.
    """

    reason: str
    ask_for: str
    spread: float = 0.0
    cutoff: float = 0.0
    thin: bool = False


def explain(model: FittedModel, domain: Domain, rows: pd.DataFrame, draw: Draw | None = None) -> list[dict[str, Any]]:
    """Return, per case of a request, why it is answered so (see `why.contributions`), and `birads` in words.

    `missing` is what missing fields might change (see `why.possible`), `heat_maps` what networks look at (see
    `why.heat_maps`). Where nothing can answer, all are empty.
    Raises `RequestError` as `answer` does.
    """
    _check_fields(model, domain, rows)
    request = outlined(parse_request(rows, model.record_columns, Need.IMAGE in model.needs), model, domain, draw)
    found: list[dict[str, Any]] = []
    judged = [
        usable(record, image, mask, model, domain)
        for record, image, mask in zip(request.records, request.images, request.masks, strict=True)
    ]
    categories = rows["birads"] if "birads" in rows else [None] * len(rows)
    for i, category in enumerate(categories):
        able = model.reduced(judged[i].parts)
        why: dict[str, Any] = {"log_odds": None, "base": None, "fields": {}, "missing": {}, "heat_maps": {}}
        if able is not None:
            inputs = _inputs(able, request, [i], judged)
            why = contributions(able, domain, inputs)
            why |= {"missing": possible(able, domain, inputs), "heat_maps": heat_maps(able, inputs)}
        found.append(why | {"birads": birads_statement(domain, canonical_cell(category, COLUMN["birads"]))})
    return found


def _check_fields(model: FittedModel, domain: Domain, rows: pd.DataFrame) -> str:
    """Return in words which fields are unknown; raise `RequestError` for those that are refused."""
    if Need.MASK in model.needs:
        check_outlines(rows, domain.outlines)
    return unknown_fields(rows, domain.rules.unknown_fields == "refuse")


def decisions(classes: Sequence[str], probabilities: np.ndarray, threshold: float) -> list[str]:
    """Return a class per case: positive from the threshold on, or the most probable of more than two."""
    if math.isnan(threshold):
        return [classes[i] for i in probabilities.argmax(axis=1)]
    negative, positive = classes
    return [positive if p >= threshold else negative for p in probabilities[:, -1]]


def _answers(
    model: FittedModel, parts: frozenset[Need], inputs: CaseInputs, gaps: Sequence[Gap], domain: Domain
) -> list[dict[str, Any]]:
    """Return the answers to cases that give the same `parts`, which are enough for some answer."""
    able, site = model.reduced(parts), domain.site
    assert able is not None
    # The interval is about the answer to the whole case, and has the error of its calibration.
    probabilities, calibration, threshold = able.probabilities(inputs), model.calibration, able.threshold
    if site is not None:
        probabilities, threshold = site.probabilities(probabilities), site.threshold(threshold)
        gaps = [replace(gap, spread=gap.spread * site.slope) for gap in gaps]
        calibration = site.map if site.map.covariance is not None else calibration
    moves = domain.moves(able, inputs.cases, probabilities[:, -1], model.shift(parts))
    moves *= 1.0 if site is None else site.slope
    intervals = calibration.interval(probabilities, domain.rules.confidence, moves)
    used = ", ".join(need for need in Need if need in able.needs)
    answers = []
    for row, (low, high), decision, gap in zip(
        probabilities, intervals, decisions(able.classes, probabilities, threshold), gaps, strict=True
    ):
        undecided = gap.thin or _undecided(row[-1], low, high, threshold, gap, domain)
        reason = gap.reason
        if undecided:
            why = "too little for a decision" if gap.ask_for else "too close to the threshold for a decision"
            reason = "; ".join(filter(None, (why, reason)))
        answers.append(
            {
                **{f"p_{name}": float(p) for name, p in zip(able.classes, row, strict=True)},
                "probability": float(row[-1]),
                "low": None if np.isnan(low) else float(low),
                "high": None if np.isnan(high) else float(high),
                "decision": None if undecided else decision,
                "threshold": None if math.isnan(threshold) else threshold,
                "abstained": undecided,
                "reason": reason,
                "ask_for": gap.ask_for,
                "parts": used,
                "model": able.full_name,
                "site": "" if site is None else site.origin,
            }
        )
    return answers


def _undecided(probability: float, low: float, high: float, threshold: float, gap: Gap, domain: Domain) -> bool:
    """Return whether what is missing might turn the decision (see `ServingRules`)."""
    if domain.rules.undecided == "interval":
        return bool(low <= threshold <= high)
    if domain.rules.undecided == "never" or math.isnan(threshold):
        return False
    return bool(distance(probability, threshold) < gap.cutoff * gap.spread)


def _gap(
    model: FittedModel,
    able: FittedModel | None,
    domain: Domain,
    parts: frozenset[Need],
    record: Record,
    case: Usable,
) -> Gap:
    why = [*case.reasons.values()]
    if able is None:
        unable = f"{model.full_name} can't answer without"
        return Gap("; ".join([*why, unable]), _ask_for(model, domain, parts, record, math.inf))
    unused = model.unused(parts)
    why += [f"not used: {', '.join(unused)}"] if unused else []
    fields = domain.missing_fields(able, record)
    why += [f"not given: {', '.join(fields)}"] if fields else []
    variance = _variance(model, able, domain, parts, record)
    missing = [*(model.needs - parts), *([FIELDS] if fields else [])]
    asked = _ask_for(model, domain, parts, record, variance)
    return Gap("; ".join(why), asked, math.sqrt(variance), domain.cutoff(missing), case.thin_record)


def _variance(model: FittedModel, able: FittedModel, domain: Domain, parts: frozenset[Need], record: Record) -> float:
    """Return how far what is missing might move an answer, squared log-odds, as if each piece did so by itself."""
    return model.shift(parts) ** 2 + sum(shift**2 for shift in domain.missing_fields(able, record).values())


def _ask_for(model: FittedModel, domain: Domain, parts: frozenset[Need], record: Record, variance: float) -> str:
    """Return the missing field, or fields of a part, that would narrow the interval most; "" if nothing is missing."""
    able = model.reduced(parts)
    fields = domain.missing_fields(able, record) if able is not None else {}
    left = {name: variance - shift**2 for name, shift in fields.items()}
    whole_record: Record = {name: value if value is not None else "" for name, value in record.items()}
    for more, names in _MORE.items():
        added = parts | (more & model.needs)
        reached = model.reduced(added)
        if reached is not None and added != parts and (Need.IMAGE in added or Need.MASK not in added):
            then = whole_record if Need.RECORD in more else record
            asked = " and ".join(field for need, field in names.items() if need in added - parts)
            left.setdefault(asked, _variance(model, reached, domain, added, then))
    return min(left, key=left.__getitem__, default="")


def _inputs(model: FittedModel, request: Request, members: Sequence[int], judged: Sequence[Usable]) -> CaseInputs:
    cases = _record_table(model.record_columns, [request.records[i] for i in members])
    descriptors = None
    if model.uses_descriptors:
        found = [described for i in members if (described := judged[i].descriptors) is not None]
        # One array, which takes a frame of many columns a fraction of the time that a column after the other takes.
        values = np.array([[described[name] for name in found[0]] for described in found])
        descriptors = pd.DataFrame(values, columns=list(found[0]))
        descriptors.insert(0, CASE, cases[CASE])
    given = [(image, request.masks[i]) for i in members if (image := request.images[i]) is not None]
    images = {one: np.stack([lesion_image(*pair, [], one) for pair in given]) for one in model.image_inputs}
    return CaseInputs(cases, descriptors, images)


def _record_table(record_columns: Sequence[str], records: Sequence[Record]) -> pd.DataFrame:
    """Return case_id and these columns of the records."""
    table: dict[str, Any] = {CASE: [f"row {i}" for i in range(len(records))]}
    for name in record_columns:
        dtype = "float64" if COLUMN[name].kind is Kind.NUMBER else object
        table[name] = np.array([record[name] for record in records], dtype=dtype)
    return pd.DataFrame(table)
