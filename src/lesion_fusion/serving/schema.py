"""The fields of a request to a served model and of its answer, and an example of a request."""

from __future__ import annotations

import base64
from typing import Any

import pandas as pd

from lesion_fusion.cohort.schema import COLUMN, SEPARATOR, Column, Kind
from lesion_fusion.cohort.synthetic import parse_cohort, render_images, render_masks
from lesion_fusion.models.base import FittedModel, Need

CASE = "case_id"
IMAGE = "image_png"
FRAME = "image_frame"
MASK = "tumor_mask_png"
SOURCE = "outline_source"
PICTURES = (IMAGE, FRAME, MASK, SOURCE)
SOURCES = ("drawn", "predicted")
_SOURCE = "Where the outline comes from: drawn by hand, or predicted by a network; drawn where left out"
_FRAME = "Which frame of a DICOM loop the image is, counted from 1; the first where left out"


def request_fields(model: FittedModel) -> list[str]:
    """Return the fields `model` reads: the record's columns, and those of image and mask where it uses them."""
    return [CASE, *model.record_columns, *(PICTURES if Need.IMAGE in model.needs else [])]


def describe_fields(model: FittedModel) -> list[dict[str, Any]]:
    """Return `request_fields` in words: name, type, values (bounds or categories), description, required_by.

    `required_by` names the models that read the field: `model` itself, or members of it. Any field may be left out.
    """
    columns = [COLUMN[name] for name in model.record_columns]
    bounds = {one.name: "any" if one.low is None else f"{one.low:g} to {one.high:g}" for one in columns}
    rows: list[tuple[str, str, str | list[str], str]] = [
        (CASE, "text", "any", "Name of the case; ignored"),
        *((one.name, one.kind.value, list(one.categories) or bounds[one.name], one.description) for one in columns),
        (IMAGE, "PNG in base64", "gray levels", "The B-mode image"),
        (FRAME, "number", "1 or more", _FRAME),
        (MASK, "PNG in base64", "white inside", "The lesion's outline, of the same size as the image"),
        (SOURCE, "category", list(SOURCES), _SOURCE),
    ]
    parts = {Need.IMAGE: [IMAGE, FRAME], Need.MASK: [MASK, SOURCE]}
    reads = {
        reader: {*one.record_columns, *(field for need in parts if need in one.needs for field in parts[need])}
        for reader, one in model.readers.items()
    }
    fields = request_fields(model)
    return [
        dict(zip(("name", "type", "values", "description"), row, strict=True))
        | {"required_by": [reader for reader, names in reads.items() if row[0] in names]}
        for row in rows
        if row[0] in fields
    ]


def request_schema(model: FittedModel) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a case: each field `model` reads, its type, categories, unit and an example.

    Categories stand in the words of `cases`; a server takes the published wordings too.
    """
    fields: dict[str, dict[str, Any]] = {
        CASE: {"type": ["string", "number", "null"], "description": "Name of the case; ignored"}
    }
    fields |= {name: _field_schema(COLUMN[name]) for name in model.record_columns}
    if Need.IMAGE in model.needs:
        fields |= {
            IMAGE: _picture_schema("The B-mode image"),
            FRAME: {"type": ["integer", "null"], "description": _FRAME, "minimum": 1, "examples": [1]},
            MASK: _picture_schema("The lesion's outline: white inside, of the same size as the image"),
            SOURCE: {"type": ["string", "null"], "description": _SOURCE, "enum": [*SOURCES, None]},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A case for {model.full_name}; any field may be left out",
        "type": "object",
        "properties": fields,
        "additionalProperties": False,
    }


def _picture_schema(meaning: str) -> dict[str, Any]:
    coded = {"contentEncoding": "base64", "contentMediaType": "image/png"}
    return {"type": ["string", "null"], "description": f"{meaning}; PNG in base64", **coded}


def _field_schema(column: Column) -> dict[str, Any]:
    if column.kind is Kind.NUMBER:
        bounds = {"minimum": column.low, "maximum": column.high, "examples": [_example(column)]}
        return {"type": ["number", "null"], "description": column.description, **bounds}
    text = {"type": ["string", "null"], "description": column.description}
    if not column.categories:
        return text
    if column.kind is Kind.MULTIPLE:
        any_of = "|".join(column.categories)
        return text | {"pattern": f"^({any_of})({SEPARATOR}({any_of}))*$", "examples": [column.categories[0]]}
    return text | {"enum": [*column.categories, None], "examples": [column.categories[0]]}


def _example(column: Column) -> float:
    low, high = column.low, column.high
    return 50 if low is None or high is None or low <= 50 <= high else (low + high) / 2


def answer_schema(model: FittedModel) -> dict[str, Any]:
    """Return the JSON schema of an answer."""
    named = {float: "number", str: "string", bool: "boolean"}
    fields = {name: {"type": [named[kind], "null"]} for name, kind in answer_fields(model).items()}
    return {"type": "object", "properties": fields}


def answer_fields(model: FittedModel) -> dict[str, type]:
    """Return the type of each field of an answer, in their order; numbers are missing where nothing can answer."""
    numbers = [*(f"p_{name}" for name in model.classes), "probability", "low", "high"]
    texts = ("reason", "ask_for", "parts", "model", "site", "version")
    return dict.fromkeys(numbers, float) | {
        "decision": str,
        "threshold": float,
        "abstained": bool,
        **dict.fromkeys(texts, str),
    }


def example_request(cases: pd.DataFrame, model: FittedModel, outlines: str = "drawn") -> pd.DataFrame:
    """Return a request of one row: the record of the first case, and a phantom for its image and outline.

    `outlines` is where those that the model learned under come from.
    """
    example = cases.iloc[[0]][[CASE, *model.record_columns]].reset_index(drop=True)
    if Need.IMAGE in model.needs:
        phantom = parse_cohort({"cases": 8, "normal_cases": 0, "min_side": 180, "max_side": 180, "seed": 0})
        images, masks = render_images(phantom), render_masks(phantom)
        example[IMAGE] = base64.b64encode(images["case001.png"]()).decode()
        example[MASK] = base64.b64encode(masks["case001_tumor.png"]()).decode()
        example[SOURCE] = "predicted" if outlines == "predicted" else "drawn"
    return example
