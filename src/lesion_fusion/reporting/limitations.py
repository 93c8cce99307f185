"""What limits the study: the cohort's own limits, and those that follow from its data and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lesion_fusion.reporting.notation import count, listing, percent, words
from lesion_fusion.reporting.standing import Place

# A column is named if the share of positive cases differs by this much with whether its value is missing.
MISSINGNESS_GAP = 0.15


def cautions(study_cases: pd.DataFrame, columns: Sequence[str], positive: str) -> list[str]:
    """Return what in the data of the cases studied limits the study: missing values and how outcomes were verified.

    `columns` are those that models may see, `positive` is the class looked for.
    """
    return _missingness(study_cases, columns, positive) + _verification(study_cases, positive)


def limitations(
    of_cohort: Sequence[str],
    of_data: Sequence[str],
    predictors: Sequence[str],
    parameters: Sequence[Mapping[str, Any]],
    board: Sequence[Place],
) -> list[str]:
    """Return the limitations, a sentence or two each.

    Args:
        of_cohort: those of the cohort's description.
        of_data: `cautions`.
        predictors: the roles that models may see.
        parameters: of each model.
        board: the models compared.
    """
    found = list(of_cohort)
    if "descriptors" in predictors:
        found.append(
            "The descriptors (shape, margin, echogenicity and so on) are a radiologist's reading of the image. A model "
            "that uses them presupposes that reader, and already holds part of what the image shows."
        )
    if "assessment" in predictors:
        found.append(
            "The radiologist's assessment is among the predictors: figures say how well models refine a verdict, not "
            "how well they do without one."
        )
    if any("network" in model or "image_descriptors" in model.get("views", ()) for model in parameters):
        found.append(
            "The outline of each lesion was drawn by hand. Models that see the image see it through that outline; "
            "their figures don't cover the error of an automatic one."
        )
    found += of_data
    if len(board) > 1:
        found.append(
            f"The best of {len(board)} models is best on the very cases that rank it. Its figure is therefore somewhat "
            "optimistic, and its interval does not cover that choice."
        )
    fewest = min(place.n_repeats for place in board)
    if fewest < max(place.n_repeats for place in board):
        few = [place.full for place in board if place.n_repeats == fewest]
        found.append(
            f"{listing(few)} {'was' if len(few) == 1 else 'were'} trained in {count(fewest, 'repeat')} of the "
            "cross-validation only. Each model's figures are means over its own repeats."
        )
    return found


def _missingness(cases: pd.DataFrame, columns: Sequence[str], positive: str) -> list[str]:
    """Say which predictors are missing more often in one outcome than in the other."""
    is_positive = cases["label"] == positive
    told = []
    for name in columns:
        missing = cases[name].isna()
        if missing.all() or not missing.any():
            continue
        without, given = is_positive[missing].mean(), is_positive[~missing].mean()
        if abs(without - given) >= MISSINGNESS_GAP:
            told.append(
                f"{words(name)} ({percent(without)} of the {count(int(missing.sum()), 'case')} without it, "
                f"{percent(given)} of the others)"
            )
    if not told:
        return []
    return [
        f"Missing values are informative: the share of {positive} cases differs with whether a value was given, for "
        f"{listing(told)}. A model may learn who was asked rather than what was found."
    ]


def _verification(cases: pd.DataFrame, positive: str) -> list[str]:
    followed = cases[cases["verification"] == "follow_up"]
    if followed.empty:
        return []
    n = int((followed["label"] == positive).sum())
    return [
        f"The outcome was established by follow-up instead of biopsy in {count(len(followed), 'case')}, "
        f"{n or 'none'} of them {positive}: how a case was verified depended on how it looked."
    ]
