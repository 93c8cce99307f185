"""Outlines that the networks of a served model draw in images that come without one."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from lesion_fusion.imaging.outlines import Predicted, encoded
from lesion_fusion.imaging.png import GrayImage
from lesion_fusion.models.base import FittedModel, Need
from lesion_fusion.models.domain import Domain
from lesion_fusion.serving.request import Request, RequestError, parse_request, unknown_fields
from lesion_fusion.serving.schema import IMAGE, MASK, SOURCE

Draw = Callable[[Sequence[GrayImage]], list[Predicted]]


def outlined(request: Request, model: FittedModel, domain: Domain, draw: Draw | None) -> Request:
    """Return the request with an outline in each image without one, where `model` learned under outlines of networks.

    An outline where no probability reaches a half is a guess, and is left out. Notes say what was done.
    """
    missing = [i for i, mask in enumerate(request.masks) if mask is None and request.images[i] is not None]
    if draw is None or domain.outlines == "drawn" or Need.MASK not in model.needs or not missing:
        return request
    masks, notes = list(request.masks), list(request.notes)
    found = draw([image for i in missing if (image := request.images[i]) is not None])
    for i, one in zip(missing, found, strict=True):
        said = "outline drawn by the model's networks" if one.sees_lesion else "the model's networks find no lesion"
        notes[i] = "; ".join(filter(None, (notes[i], f"{said} (highest probability {one.peak:.2f})")))
        masks[i] = one.mask if one.sees_lesion else None
    return replace(request, masks=tuple(masks), notes=tuple(notes))


def outlines(rows: pd.DataFrame, domain: Domain, draw: Draw | None) -> list[dict[str, Any]]:
    """Return per case the outline that the networks draw in its image, as the fields of a request, and their doubt.

    `peak` is the highest probability, `agreement` the Dice of two networks (None for one). Below a peak of a half there
    is no outline. Raises `RequestError` for a case without an image, and for a model without such networks.
    """
    unknown_fields(rows, domain.rules.unknown_fields == "refuse")
    if draw is None:
        raise RequestError("This model has no networks that draw outlines.")
    images = parse_request(rows, [], pictures=True).images
    given = [image for image in images if image is not None]
    if len(given) < len(images):
        lacking = next(i for i, image in enumerate(images) if image is None)
        raise RequestError(f"Row {lacking}, field {IMAGE}: it is not given. Give the image to draw in.")
    return [
        {
            MASK: base64.b64encode(encoded(one.mask)).decode() if one.sees_lesion else None,
            SOURCE: "predicted",
            "peak": one.peak,
            "agreement": None if math.isnan(one.agreement) else one.agreement,
        }
        for one in draw(given)
    ]
