"""Masks that are valid files but doubtful outlines of a lesion."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from lesion_fusion.cohort.audit.findings import CohortAudit, Finding, finding, named
from lesion_fusion.cohort.audit.record import associate, one_case_per_patient
from lesion_fusion.notation import count, p_clause, percent

Mask = NDArray[np.bool_]
Kind = Literal["tumor", "other"]


class MaskSummary(NamedTuple):
    """Summary of a mask: share of the image, parts (eight neighbours), share of it inside the lesion's mask.

    `inverted`: it marks every corner of the image and leaves something out, as white around a black lesion does.
    """

    case_id: str
    file: str
    kind: Kind
    share: float
    parts: int
    touches_border: bool
    overlap: float
    inverted: bool


def summarise_mask(case_id: str, file: str, kind: Kind, mask: Mask, tumor: Mask | None) -> MaskSummary:
    """Return the summary of `mask`, bool (height, width); `tumor` is the mask of the case's lesion, if any."""
    parts = int(ndimage.label(mask, np.ones((3, 3), dtype=int))[1])
    touches_border = any(bool(edge.any()) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    overlap = 0.0 if tumor is None else float(tumor[mask].mean())
    inverted = bool(mask[[0, 0, -1, -1], [0, -1, 0, -1]].all() and not mask.all())
    return MaskSummary(case_id, file, kind, float(mask.mean()), parts, touches_border, overlap, inverted)


def size_table(masks: pd.DataFrame) -> pd.DataFrame:
    """Return kind, masks, smallest, median, largest (shares of the image) per kind of mask."""
    shares = masks.groupby("kind")["share"]
    return shares.agg(masks="count", smallest="min", median="median", largest="max").reset_index()


def mask_findings(cases: pd.DataFrame, masks: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF401 to LF409; `masks` has the fields of `MaskSummary` as columns, one row per mask."""
    tumor, other = (masks[masks["kind"] == kind] for kind in ("tumor", "other"))
    inverted, tumor = tumor[tumor["inverted"]], tumor[~tumor["inverted"].astype(bool)]
    tiny, large = percent(parameters.tiny_mask), percent(parameters.large_mask)
    tiny_masks = tumor[tumor["share"] < parameters.tiny_mask]
    large_masks, large_others = (group[group["share"] > parameters.large_mask] for group in (tumor, other))
    overlapping = other[other["overlap"] > 0]
    yield from _listed("LF401", tumor[tumor["parts"] > 1], "in several parts", "parts", "{:.0f} parts".format)
    yield from _listed("LF402", tumor[tumor["touches_border"]], "touching the image's border")
    yield from _listed("LF403", tiny_masks, f"below {tiny} of the image", "share", "{:.3%}".format)
    yield from _listed("LF404", large_masks, f"over {large} of the image", "share", "{:.0%}".format)
    yield from _listed("LF405", large_others, f"over {large} of the image", "share", "{:.0%}".format)
    yield from _other_masks_by_class(cases, parameters)
    yield from _listed(
        "LF407", overlapping, "overlapping the lesion", "overlap", lambda share: f"{percent(share)} of it inside"
    )
    yield from _listed("LF408", inverted, "marking all corners of the image", "share", "{:.0%}".format)
    merged = tumor[tumor["case_id"].duplicated(keep=False)]
    yield from _listed("LF409", merged, "merged with others of the same image")


def _listed(
    number: str, masks: pd.DataFrame, what: str, column: str = "", wording: Callable[[float], str] = str
) -> Iterator[Finding]:
    if masks.empty:
        return
    details = [f" ({wording(value)})" for value in masks[column]] if column else [""] * len(masks)
    files = [f"{file}{detail}" for file, detail in zip(masks["file"], details, strict=True)]
    sentence = f"{count(len(masks), 'mask')} {what}: {named(files)}."
    yield finding(number, sentence, cases=list(masks["case_id"].unique()))


def _other_masks_by_class(cases: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF406 where all other masks are in one class and chance alone is an unlikely cause."""
    patients = one_case_per_patient(cases)
    present = patients["other_mask_files"].notna().to_numpy()
    malignant = (patients["classification"] == "malignant").to_numpy()
    found = associate(present, malignant, parameters.confidence)
    if found is None or found.share_with not in (0.0, 1.0) or found.p >= parameters.alpha:
        return
    owners = cases[cases["other_mask_files"].notna()]
    yield finding(
        "LF406",
        f"{count(len(owners), 'case')} with masks of further structures, all {owners['classification'].iloc[0]} "
        f"(Fisher {p_clause(found.p)}): {named(list(owners['case_id']))}. "
        "Merged into the lesion's mask, they give the class away.",
        cases=list(owners["case_id"]),
    )
