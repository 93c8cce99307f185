"""What limits the study: the cohort's own limits, and those that follow from its data and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lesion_fusion.notation import count, listing
from lesion_fusion.reporting.standing import Place


def limitations(
    of_cohort: Sequence[str],
    findings: Sequence[Mapping[str, Any]],
    predictors: Sequence[str],
    parameters: Sequence[Mapping[str, Any]],
    board: Sequence[Place],
) -> list[str]:
    """Return the limitations, a sentence or two each.

    Args:
        of_cohort: those of the cohort's description.
        findings: of the cohort audit.
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
    if any(model.get("network") or {"image_descriptors", "pixels"} & {*model.get("views", ())} for model in parameters):
        found.append(
            "The outline of each lesion is given, not found. Models that see the image see it through that outline; "
            "their figures don't cover the error of an automatic one."
        )
    warned = dict.fromkeys(
        f"{one['title'][:1].lower()}{one['title'][1:]} ({one['number']})"
        for one in findings
        if one["severity"] != "info"
    )
    if warned:
        found.append(f"The audit of the cohort warns of {listing(list(warned))}; its table says what was found.")
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
