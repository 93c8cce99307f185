"""The fields of a request to a served model, and an example of one."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.models.inputs import FittedModel

CASE = "case_id"
IMAGE = "image_png"
MASK = "tumor_mask_png"


@dataclass(frozen=True)
class Field:
    """One column of a request: its name, and whether it holds a number (else text).

    To MLflow every field may be left out: what a model can't do without, it asks for in its own words.
    """

    name: str
    number: bool


def request_fields(model: FittedModel) -> list[Field]:
    """Return the fields `model` reads: the record's columns, and image and mask (base64 PNG) where it uses them."""
    fields = [Field(CASE, number=False)]
    fields += [Field(name, COLUMN[name].kind is Kind.NUMBER) for name in model.record_columns]
    if needs_image(model):
        fields += [Field(IMAGE, number=False), Field(MASK, number=False)]
    return fields


def needs_image(model: FittedModel) -> bool:
    """Return whether the model looks at the image."""
    return model.uses_descriptors or bool(model.image_inputs)


def example_request(cases: pd.DataFrame, model: FittedModel) -> pd.DataFrame:
    """Return a request of one row: the record of the first case, and a drawn disc for image and mask."""
    example = cases.iloc[[0]][[CASE, *model.record_columns]].reset_index(drop=True)
    if needs_image(model):
        disc = np.hypot(*np.mgrid[-48:48, -48:48]) < 24
        example[IMAGE] = _png(np.where(disc, 60, 140).astype("uint8"))
        example[MASK] = _png(np.where(disc, 255, 0).astype("uint8"))
    return example


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
