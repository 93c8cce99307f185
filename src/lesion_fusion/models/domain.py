"""The requests that a served model may answer: ranges of its training cases, and how much of a case is enough."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, FiniteFloat
from scipy.special import logit, ndtri

from lesion_fusion.cohort.schema import COLUMN, Kind
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.models.base import GIVEN, FittedModel, Trained, blank, draw_records, root_mean_square, seal
from lesion_fusion.models.site import Site
from lesion_fusion.parameters import Parameters
from lesion_fusion.tabular.classifiers import UntrustedModelError

DOMAIN = "domain.json"
# What is missing where single fields of a record are; the other keys of `Domain.cutoffs` are parts of a case.
FIELDS = "fields"
_BACKGROUND = 16
# Draws of what each missing field might add, for each class, and as many of a standard normal distribution.
_LEVELS = (np.arange(100) + 0.5) / 100
_NORMAL = np.random.default_rng(1).permutation(ndtri(_LEVELS))
_CATEGORIES = COLUMN["birads"].categories
_KEYS = ["repeat", "fold", "case_id"]


class ServingRules(Parameters):
    """When a part of a request is not used, when there is no decision, and how sure the interval of an answer is.

    `range_margin`: how far beyond the training cases a number may lie, in their standard deviations.
    `fewest_record_fields`: with fewer fields given there is no record, unless a training case had as few.
    `smallest_lesion`: pixels of an outline. `confidence`: of the interval. `undecided`: the rule of no decision.
    `agreement`: where something is missing, a case is decided only so far from the threshold that this share of such
    decisions is that of the whole case. `interval`: no decision where the interval holds the threshold. `never`: always
    a decision. `agreement`: that share. `unknown_fields`: whether a request with an unknown field is refused, or
    answered and the field listed.
    """

    range_margin: float = Field(default=2.0, ge=0)
    fewest_record_fields: int = Field(default=3, ge=1)
    smallest_lesion: int = Field(default=64, ge=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    undecided: Literal["agreement", "interval", "never"] = "agreement"
    agreement: float = Field(default=0.9, gt=0.5, lt=1)
    unknown_fields: Literal["refuse", "list"] = "refuse"


class Range(BaseModel, frozen=True):
    """Lowest and highest value seen in training, and the margin beyond them within which a value is still used."""

    low: FiniteFloat
    high: FiniteFloat
    margin: FiniteFloat

    def holds(self, value: float) -> bool:
        """Return whether a value lies within, or is missing."""
        return math.isnan(value) or self.low - self.margin <= value <= self.high + self.margin


class Domain(BaseModel, frozen=True):
    """The rules, and what the training cases were like.

    `fewest_fields` of a record. `numbers`, `descriptors`: the ranges of the record's numbers and of the image
    descriptors that the model reads. `field_moves`: by how much each field may move an answer once it is known, in
    log-odds, for each set of models that answers (see `answering_key`): draws from cases of the last class, and as many
    from the others. `cutoffs`: for what is missing, how far from the threshold an answer must lie to be decided, in
    standard deviations of what is missing; None: no distance is enough. `background`: synthetic records, each cell
    drawn by itself, that an explanation compares with. `birads`: how many training cases of each category there were,
    and how many of them were of the last class; `positive_share` is that of all. `site`: the calibration of the site
    that the model is for, if it has one. `outlines`: where those of the training cases come from; an outline of another
    source is refused.
    """

    rules: ServingRules
    fewest_fields: int
    numbers: dict[str, Range]
    descriptors: dict[str, Range]
    field_moves: dict[str, dict[str, tuple[list[FiniteFloat], list[FiniteFloat]]]]
    cutoffs: dict[str, FiniteFloat | None]
    background: list[dict[str, float | str | None]] = []
    birads: dict[str, tuple[int, int]] = {}
    positive_share: float | None = None
    site: Site | None = None
    outlines: Literal["drawn", "predicted", "drawn_or_predicted"] = "drawn"

    @classmethod
    def of(
        cls,
        model: FittedModel,
        cases: pd.DataFrame,
        image_descriptors: pd.DataFrame,
        rules: ServingRules,
        trained: Trained | None = None,
        outlines: Literal["drawn", "predicted", "drawn_or_predicted"] = "drawn",
    ) -> Domain:
        """Return the domain of `model`, trained on `cases` with their `image_descriptors`, under these `outlines`.

        The cut-offs of missing parts come from the out-of-fold predictions of `trained`.
        """

        def ranges(table: pd.DataFrame, names: Iterable[str]) -> dict[str, Range]:
            columns = {name: table[name].dropna() for name in names}
            return {
                name: Range(low=seen.min(), high=seen.max(), margin=rules.range_margin * float(seen.std()))
                for name, seen in columns.items()
                if len(seen) > 1
            }

        given = cases[list(model.record_columns)].notna().sum(axis=1)
        able = {answering_key(one): one for parts in GIVEN if (one := model.reduced(parts)) is not None}
        moves = {key: _field_moves(one, cases, image_descriptors) for key, one in able.items()}
        cutoffs = _part_cutoffs(model, trained, rules.agreement) if trained is not None else {}
        if not math.isnan(model.threshold):
            # Images are not read here: a fusion with a network has the cut-off of its other readers.
            known = [(able[key], _shifts(some)) for key, some in moves.items() if some and not able[key].image_inputs]
            found = [_field_cutoff(one, cases, image_descriptors, moved, rules.agreement) for one, moved in known]
            if found:
                cutoffs[FIELDS] = None if None in found else max(one for one in found if one is not None)
        return cls(
            rules=rules,
            fewest_fields=max(1, min(rules.fewest_record_fields, int(given.min()))),
            numbers=ranges(cases, [name for name in model.record_columns if COLUMN[name].kind is Kind.NUMBER]),
            descriptors=ranges(image_descriptors, default_names() if model.uses_descriptors else []),
            field_moves=moves,
            cutoffs=cutoffs,
            background=_background(model, cases),
            birads=_birads(model, cases),
            positive_share=float((cases["label"] == model.classes[-1]).mean()) if "label" in cases else None,
            outlines=outlines,
        )

    @classmethod
    def load(cls, folder: Path) -> Domain:
        """Read the domain from the folder of a stored model; raises `UntrustedModelError` for one that is damaged."""
        try:
            return cls.model_validate_json((folder / DOMAIN).read_text())
        except (OSError, ValueError) as error:
            raise UntrustedModelError(f"{folder / DOMAIN} is missing or damaged: {error}") from error

    def save(self, folder: Path) -> None:
        """Write the domain into the folder of a stored model."""
        (folder / DOMAIN).write_text(self.model_dump_json() + "\n")
        seal(folder)

    def missing_fields(self, model: FittedModel, record: Mapping[str, object]) -> dict[str, float]:
        """Return the fields of a record that an answering model lacks, each with how far it may move the answer."""
        shifts = _shifts(self.field_moves.get(answering_key(model), {}))
        return {name: shifts.get(name, 0.0) for name in model.record_columns if record[name] is None}

    def moves(self, model: FittedModel, cases: pd.DataFrame, probabilities: np.ndarray, shift: float) -> np.ndarray:
        """Return draws (n, m) of how far what `cases` lack may move the log-odds of the model that answers.

        Fields: as many draws are of the last class as its `probabilities` (n,) say, all fields of a draw of one class.
        Parts: `shift`, a standard deviation.
        """
        known = self.field_moves.get(answering_key(model), {})
        lacking = cases[list(known)].isna().to_numpy()
        if not lacking.any() and shift == 0:
            return np.zeros((len(cases), 1))
        draws = np.array([*known.values()]).reshape(-1, 2, len(_LEVELS))
        last, others = (lacking @ draws[:, k] for k in (0, 1))
        return shift * _NORMAL + np.where(probabilities[:, None] > _LEVELS, last, others)

    def cutoff(self, missing: Iterable[str]) -> float:
        """Return the distance to the threshold that decides where these parts, or `FIELDS`, are missing.

        At least that at which a normal distribution leaves the whole case on the same side as often as promised: a
        calibrated distance promises this of all decided cases together, not of each.
        """
        usual = NormalDist().inv_cdf(self.rules.agreement)
        found = [self.cutoffs.get(one, usual) for one in missing]
        return max((math.inf if one is None else max(one, usual) for one in found), default=0.0)


def answering_key(model: FittedModel) -> str:
    """Return the names of the models whose answers a model joins, by which its `field_moves` are found."""
    return ", ".join(model.readers)


def agreement_cutoff(distances: np.ndarray, agrees: np.ndarray, agreement: float) -> float | None:
    """Return the smallest distance (n,) from which on decisions agree often enough; None if none is.

    Often enough: of the n decisions from there on and one more that does not agree, a share of `agreement` agrees.
    """
    order = np.argsort(-distances, kind="stable")
    counts = np.arange(1, len(order) + 1)
    enough = (np.cumsum(~agrees[order]) + 1) / (counts + 1) <= 1 - agreement + 1e-9
    return float(distances[order][enough][-1]) if enough.any() else None


def outside(values: Mapping[str, float], ranges: Mapping[str, Range]) -> list[str]:
    """Return a clause for each value that lies outside its range: `age 108 lies outside 18 to 87`."""
    return [
        f"{name} {values[name]:.4g} lies outside {found.low:.4g} to {found.high:.4g}"
        for name, found in ranges.items()
        if name in values and not found.holds(values[name])
    ]


def _field_moves(
    model: FittedModel, cases: pd.DataFrame, image_descriptors: pd.DataFrame
) -> dict[str, tuple[list[float], list[float]]]:
    """Return quantiles of each field's moves in random order, of records drawn from each class by itself.

    Fields that tell of malignancy tell of it together: drawn from all cases, they would seldom do so.
    """
    is_last = cases["label"] == model.classes[-1] if "label" in cases else np.full(len(cases), True)
    of_class = [cases[rows] if rows.any() else cases for rows in (is_last, ~is_last)]
    last, others = (model.field_moves(some, image_descriptors) for some in of_class)
    rng = np.random.default_rng(0)

    def draws(moves: np.ndarray) -> list[float]:
        return list(rng.permutation(np.quantile(moves, _LEVELS)).round(4).tolist())

    # A field that one class never has is drawn as in the other.
    last, others = others | last, last | others
    return {name: (draws(last[name]), draws(others[name])) for name in others}


def _shifts(moves: Mapping[str, tuple[list[float], list[float]]]) -> dict[str, float]:
    return {name: root_mean_square(np.array(draws)) for name, draws in moves.items()}


def _background(model: FittedModel, cases: pd.DataFrame) -> list[dict[str, float | str | None]]:
    drawn, _ = draw_records(model, cases, pd.DataFrame({"case_id": []}))
    few = drawn[list(model.record_columns)].iloc[:_BACKGROUND].astype(object)
    return [
        {str(name): value for name, value in one.items()} for one in few.where(few.notna(), None).to_dict("records")
    ]


def _birads(model: FittedModel, cases: pd.DataFrame) -> dict[str, tuple[int, int]]:
    if not {"birads", "label"} <= set(cases) or len(model.classes) > 2:
        return {}
    positive = (cases["label"] == model.classes[-1]).groupby(cases["birads"].astype("str")).agg(["size", "sum"])
    return {str(name): (int(n), int(found)) for name, n, found in positive.itertuples() if name in _CATEGORIES}


def _part_cutoffs(model: FittedModel, trained: Trained, agreement: float) -> dict[str, float | None]:
    """Return the cut-off of each missing part, from the out-of-fold decisions with it and without it."""
    reduced = trained.reduced_predictions
    if reduced is None or math.isnan(model.threshold):
        return {}
    column, found = f"p_{model.classes[-1]}", {}
    both = reduced.merge(trained.predictions[[*_KEYS, column, "threshold"]], on=_KEYS, suffixes=("", "_whole"))
    for missing, rows in both.groupby("without"):
        distances = distance(rows[column].to_numpy(), rows["threshold"].to_numpy())
        moved = logit(rows[[column, f"{column}_whole"]].to_numpy().clip(1e-6, 1 - 1e-6))
        spread = float(np.sqrt(np.square(moved[:, 0] - moved[:, 1]).mean()))
        agrees = (rows[column] >= rows["threshold"]) == (rows[f"{column}_whole"] >= rows["threshold_whole"])
        found[str(missing)] = agreement_cutoff(distances / (spread or 1.0), agrees.to_numpy(), agreement)
    return found


def _field_cutoff(
    model: FittedModel,
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    shifts: Mapping[str, float],
    agreement: float,
) -> float | None:
    """Return the cut-off where fields are missing, from drawn records with any number of fields left out at random."""
    rng = np.random.default_rng(1)
    drawn, answer = draw_records(model, cases, image_descriptors)
    # Each record lacks its own number of fields, so that few and many missing fields count alike.
    gone = rng.random((len(drawn), len(shifts))) < rng.random((len(drawn), 1))
    few, variance = drawn, np.zeros(len(drawn))
    for (name, shift), rows in zip(shifts.items(), gone.T, strict=True):
        missing = rows & drawn[name].notna().to_numpy()
        few, variance = blank(few, name, missing), variance + shift**2 * missing
    lacking = variance > 0
    whole, partly, threshold = answer(drawn), answer(few), logit(model.threshold)
    distances = np.abs(partly - threshold)[lacking] / np.sqrt(variance[lacking])
    return agreement_cutoff(distances, ((partly >= threshold) == (whole >= threshold))[lacking], agreement)


def distance(probabilities: np.ndarray | float, thresholds: np.ndarray | float) -> np.ndarray:
    """Return how far probabilities lie from thresholds, in log-odds."""
    return np.abs(logit(np.clip(probabilities, 1e-6, 1 - 1e-6)) - logit(np.clip(thresholds, 1e-6, 1 - 1e-6)))
