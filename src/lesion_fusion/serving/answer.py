"""Answer a request: each case by the part of the model that can use what it gives, with an interval, or not at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.models.base import CaseInputs, FittedModel, Need
from lesion_fusion.models.domain import Domain
from lesion_fusion.serving.request import Record, Request, parse_request
from lesion_fusion.serving.schema import CASE, answer_fields
from lesion_fusion.serving.usable import Usable, usable


def answer(model: FittedModel, domain: Domain, rows: pd.DataFrame, version: str) -> pd.DataFrame:
    """Return a row per case of a request, a frame of the fields in `schema.request_fields`.

    Columns are those of `schema.answer_fields`; `probability` is that of the last class, `low` and `high` bound its
    interval, `reason` says what was not used and why. Where nothing can answer, the numbers and the decision are None.
    Raises `RequestError` for a request that is not well formed.
    """
    answered: dict[str, np.ndarray] = {}

    def answer_from_record(records: Sequence[Record]) -> None:
        answered.update(model.answered_from_record(lambda columns: _record_table(columns, records)))

    request = parse_request(rows, model.record_columns, Need.IMAGE in model.needs, meanwhile=answer_from_record)
    cases = zip(request.records, request.images, request.masks, strict=True)
    judged = [usable(record, image, mask, model.needs, domain) for record, image, mask in cases]
    found: list[dict[str, Any]] = [{} for _ in judged]
    # Cases that give the same parts are answered together: a network takes a batch in little more time than a case.
    for parts in dict.fromkeys(frozenset(case.parts) for case in judged):
        members = [i for i, case in enumerate(judged) if case.parts == parts]
        able = model.reduced(parts)
        reasons = [_reason(model, able, parts, judged[i]) for i in members]
        if able is None:
            nothing = dict.fromkeys(answer_fields(model)) | {"abstained": True, "parts": "", "model": model.full_name}
            answers = [nothing | {"reason": reason} for reason in reasons]
        else:
            there = {name: probabilities[members] for name, probabilities in answered.items()}
            inputs = replace(_inputs(able, request, members, judged), answered=there)
            apart = np.hypot(model.shift(parts), [_shift_of_fields(able, domain, request.records[i]) for i in members])
            answers = _answers(able, inputs, reasons, domain.rules.confidence, apart)
        for i, said in zip(members, answers, strict=True):
            found[i] = said | {"version": version}
    # As objects, so that what is not there is None, which JSON knows.
    return pd.DataFrame(found, dtype=object)


def decisions(model: FittedModel, probabilities: np.ndarray) -> list[str]:
    """Return a class per case: positive from the threshold on, or the most probable of more than two."""
    if math.isnan(model.threshold):
        return [model.classes[i] for i in probabilities.argmax(axis=1)]
    negative, positive = model.classes
    return [positive if p >= model.threshold else negative for p in probabilities[:, -1]]


def _answers(
    able: FittedModel, inputs: CaseInputs, reasons: Sequence[str], confidence: float, apart: np.ndarray
) -> list[dict[str, Any]]:
    probabilities = able.probabilities(inputs)
    intervals = able.calibration.interval(probabilities, confidence, apart)
    threshold = None if math.isnan(able.threshold) else able.threshold
    parts = ", ".join(need for need in Need if need in able.needs)
    return [
        {
            **{f"p_{name}": float(p) for name, p in zip(able.classes, row, strict=True)},
            "probability": float(row[-1]),
            "low": None if np.isnan(low) else float(low),
            "high": None if np.isnan(high) else float(high),
            "decision": decision,
            "threshold": threshold,
            "abstained": False,
            "reason": reason,
            "parts": parts,
            "model": able.full_name,
        }
        for row, (low, high), decision, reason in zip(
            probabilities, intervals, decisions(able, probabilities), reasons, strict=True
        )
    ]


def _shift_of_fields(model: FittedModel, domain: Domain, record: Record) -> float:
    """Return how far the missing fields of a record might move the answer, as if each did so by itself."""
    missing = [name for name in model.record_columns if record[name] is None]
    return math.hypot(*(domain.field_shifts.get(name, 0.0) for name in missing))


def _reason(model: FittedModel, able: FittedModel | None, parts: frozenset[Need], case: Usable) -> str:
    if not case.reasons:
        return ""
    why = "; ".join(case.reasons.values())
    if able is None:
        return f"{why}; {model.full_name} can't answer without"
    return f"{why}; not used: {', '.join(model.unused(parts))}"


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
