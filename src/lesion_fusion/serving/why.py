"""Why an answer is as it is: what each given field adds, what a missing one might, and what BI-RADS alone tells."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lesion_fusion.imaging.attention import heat_map
from lesion_fusion.models.base import CaseInputs, FittedModel, answered_from_image
from lesion_fusion.models.domain import Domain
from lesion_fusion.tabular.calibration import log_odds

# Orders in which players join, each forwards and backwards.
_ORDERS = 2
# Colours of the areas that speak for the last class and against it, and how opaque the strongest are.
_FOR, _AGAINST, _OPACITY = (230, 110, 0), (0, 114, 178), 0.6


def contributions(model: FittedModel, domain: Domain, inputs: CaseInputs) -> dict[str, Any]:
    """Return why `model` answers as it does to the one case of `inputs`: `log_odds`, `base` and `fields`.

    `fields` are SHAP values of the given fields, most important first; with `base` they sum to `log_odds`. `base` is
    the mean over the domain's synthetic records with the same image, outline and missing fields.
    """
    case = inputs.cases.iloc[0]
    given = [name for name in model.record_columns if pd.notna(case[name])]
    probabilities = _with_image(model, domain, inputs)

    def repeated(records: pd.DataFrame) -> np.ndarray:
        return log_odds(probabilities(records))[:, -1]

    if not given or not domain.background:
        return {"log_odds": float(repeated(inputs.cases)[0]), "base": None, "fields": {}}
    # Position 0 of a field's values is the case's own, the others are those of the synthetic records.
    values = [np.array([case[name], *(one[name] for one in domain.background)], dtype=object) for name in given]

    hidden = np.arange(1, len(values[0]))[:, None]

    def worth(shown: np.ndarray) -> np.ndarray:
        chosen = np.where(shown[:, None, :], 0, hidden).reshape(-1, len(given))
        columns = {name: own[chosen[:, k]] for k, (name, own) in enumerate(zip(given, values, strict=True))}
        table = inputs.cases.iloc[np.zeros(len(chosen), dtype=int)].reset_index(drop=True)
        typed = {name: pd.Series(column).astype(table[name].dtype) for name, column in columns.items()}
        return repeated(table.assign(**typed)).reshape(len(shown), -1).mean(axis=1)

    base, found = sampled_shapley(worth, len(given))
    added = dict(zip(given, map(float, found), strict=True))
    ordered = dict(sorted(added.items(), key=lambda one: -abs(one[1])))
    return {"log_odds": base + sum(added.values()), "base": base, "fields": ordered}


def sampled_shapley(worth: Callable[[np.ndarray], np.ndarray], players: int) -> tuple[float, np.ndarray]:
    """Return what no player has, and the Shapley value of each of `players`, which sum to what all have beside it.

    `worth` returns what each coalition has, (n,), of who is in it, bool (n, players); it is asked once. Sampled, and
    exact for two players or where they add up: mean gain over a few orders, each forwards and backwards (Mitchell,
    Cooper, Frank and Holmes 2022, "Sampling Permutations for Shapley Value Estimation", JMLR 23).
    """
    random = np.random.default_rng(0)
    drawn = [random.permutation(players) for _ in range(_ORDERS)]
    orders = np.array([one[::way] for one in drawn for way in (1, -1)])
    # Row k of an order has the first k players in it.
    coalitions = np.argsort(orders, axis=1)[:, None, :] < np.arange(players + 1)[:, None]
    worths = worth(coalitions.reshape(-1, players)).reshape(len(orders), -1)
    gains = np.take_along_axis(np.diff(worths, axis=1), np.argsort(orders, axis=1), axis=1)
    return float(worths[0, 0]), gains.mean(axis=0)


def possible(model: FittedModel, domain: Domain, inputs: CaseInputs) -> dict[str, tuple[float, float]]:
    """Return, per missing field of the one case, the lowest and highest probability with values of synthetic records.

    One field is filled in at a time; the field that may move the answer furthest comes first.
    """
    case = inputs.cases.iloc[0]
    missing = [name for name in model.record_columns if pd.isna(case[name])]
    drawn = [
        (name, value)
        for name in missing
        for value in dict.fromkeys(one[name] for one in domain.background)
        if value is not None
    ]
    if not drawn:
        return {}
    table = inputs.cases.iloc[np.zeros(len(drawn), dtype=int)].reset_index(drop=True)
    for name in missing:
        cells = [value if filled == name else None for filled, value in drawn]
        table[name] = pd.Series(cells, dtype=table[name].dtype)
    found = pd.Series(_with_image(model, domain, inputs)(table)[:, -1]).groupby([name for name, _ in drawn])
    ranges = {str(name): (float(p.min()), float(p.max())) for name, p in found}
    return dict(sorted(ranges.items(), key=lambda one: one[1][0] - one[1][1]))


def heat_maps(model: FittedModel, inputs: CaseInputs) -> dict[str, str]:
    """Return, per network that reads the one case's image alone, what it sees under its Grad-CAM: PNG in base64.

    What speaks for the last class is orange, what speaks against it blue.
    """
    found = {}
    for name, (image, maps) in model.class_maps(inputs).items():
        class_map, edge = maps[..., -1], image.shape[0]
        strength = heat_map(class_map, edge) - heat_map(-class_map, edge)
        opacity = _OPACITY * np.abs(strength)[..., None] / max(float(np.abs(strength).max()), 1e-12)
        colour = np.where(strength[..., None] > 0, _FOR, _AGAINST)
        picture = (1 - opacity) * image[..., :1] + opacity * colour
        buffer = io.BytesIO()
        Image.fromarray(picture.round().astype("uint8")).save(buffer, "PNG")
        found[name] = base64.b64encode(buffer.getvalue()).decode()
    return found


def birads_statement(domain: Domain, category: object) -> str:
    """Return what the radiologist's category tells of a lesion in the training cohort; "" where it is not known."""
    n, malignant = domain.birads.get(str(category), (0, 0))
    share = f"{malignant} of {n} lesions were malignant ({malignant / max(n, 1):.0%})"
    return f"BI-RADS {category} in the training cohort: {share}." if n else ""


def _with_image(model: FittedModel, domain: Domain, inputs: CaseInputs) -> Callable[[pd.DataFrame], np.ndarray]:
    """Return a function from records to probabilities (n, k), all with the image of the one case of `inputs`."""
    # The image's members of a late fusion answer once, not to each record.
    fixed = answered_from_image(model, inputs)

    def repeat(array: np.ndarray, n: int) -> np.ndarray:
        return np.repeat(array, n, axis=0)

    def ask(records: pd.DataFrame) -> np.ndarray:
        n = len(records)
        named = records.assign(case_id=[f"row {i}" for i in range(n)])
        described = inputs.image_descriptors
        if described is not None:
            described = described.iloc[np.zeros(n, dtype=int)].assign(case_id=named["case_id"].to_numpy())
        images = {one: repeat(array, n) for one, array in inputs.lesion_images.items()}
        answered = {name: repeat(probabilities, n) for name, probabilities in fixed.items()}
        probabilities = model.probabilities(CaseInputs(named, described, images, answered))
        return probabilities if domain.site is None else domain.site.probabilities(probabilities)

    return ask
