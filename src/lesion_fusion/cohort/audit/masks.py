"""Defects of masks that are valid files and still not what a lesion's outline should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from lesion_fusion.cohort.audit.association import associate, one_case_a_patient
from lesion_fusion.cohort.audit.findings import Finding, counted, finding, named, p_clause, percent
from lesion_fusion.cohort.audit.parameters import CohortAudit

Mask = NDArray[np.bool_]
Kind = Literal["tumor", "other"]
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)


@dataclass(frozen=True)
class Outline:
    """What the audit keeps of a mask.

    `share`: of the image. `parts`: connected ones (eight neighbours). `overlap`: share of it that lies in the lesion's
    mask.
    """

    case_id: str
    file: str
    kind: Kind
    share: float
    parts: int
    touches_border: bool
    overlap: float


def outline(case_id: str, file: str, kind: Kind, mask: Mask, tumor: Mask | None) -> Outline:
    """Return what the audit keeps of `mask`, bool (height, width); `tumor` is the mask of the case's lesion, if any."""
    edges = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return Outline(
        case_id=case_id,
        file=file,
        kind=kind,
        share=float(mask.mean()),
        parts=int(ndimage.label(mask, _EIGHT_NEIGHBOURS)[1]),
        touches_border=any(bool(edge.any()) for edge in edges),
        overlap=0.0 if tumor is None else float(tumor[mask].mean()),
    )


def mask_table(outlines: Sequence[Outline]) -> pd.DataFrame:
    """Return the fields of `Outline` as columns, a row per mask."""
    return pd.DataFrame([asdict(one) for one in outlines], columns=list(Outline.__dataclass_fields__))


def size_table(masks: pd.DataFrame) -> pd.DataFrame:
    """Return kind, masks, smallest, median, largest (shares of the image) of each kind of mask."""
    shares = masks.groupby("kind")["share"]
    return shares.agg(masks="count", smallest="min", median="median", largest="max").reset_index()


def mask_findings(cases: pd.DataFrame, masks: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF401 to LF407 from the table of `mask_table`."""
    tumor, other = (masks[masks["kind"] == kind] for kind in ("tumor", "other"))
    tiny, large = parameters.tiny_mask, parameters.large_mask
    yield from _listed("LF401", tumor[tumor["parts"] > 1], "in several parts", "parts", "{:.0f} parts".format)
    yield from _listed("LF402", tumor[tumor["touches_border"]], "touching the image's border")
    yield from _listed(
        "LF403", tumor[tumor["share"] < tiny], f"below {percent(tiny)} of the image", "share", "{:.3%}".format
    )
    yield from _listed(
        "LF404", tumor[tumor["share"] > large], f"over {percent(large)} of the image", "share", "{:.0%}".format
    )
    yield from _listed(
        "LF405", other[other["share"] > large], f"over {percent(large)} of the image", "share", "{:.0%}".format
    )
    yield from _other_masks_by_class(cases, parameters)
    yield from _listed(
        "LF407",
        other[other["overlap"] > 0],
        "overlapping the lesion",
        "overlap",
        lambda share: f"{percent(share)} of it inside",
    )


def _listed(
    number: str, masks: pd.DataFrame, what: str, column: str = "", wording: Callable[[float], str] = str
) -> Iterator[Finding]:
    if masks.empty:
        return
    details = [f" ({wording(value)})" for value in masks[column]] if column else [""] * len(masks)
    files = [f"{file}{detail}" for file, detail in zip(masks["file"], details, strict=True)]
    yield finding(
        number, f"{counted(len(masks), 'mask')} {what}: {named(files)}.", cases=list(masks["case_id"].unique())
    )


def _other_masks_by_class(cases: pd.DataFrame, parameters: CohortAudit) -> Iterator[Finding]:
    """Yield LF406 where all other masks lie in one class, and chance alone would hardly have put them there."""
    patients = one_case_a_patient(cases)
    present = patients["other_mask_files"].notna().to_numpy()
    malignant = (patients["classification"] == "malignant").to_numpy()
    found = associate(present, malignant, parameters.confidence)
    if found is None or found.share_with not in (0.0, 1.0) or found.p >= parameters.alpha:
        return
    owners = cases[cases["other_mask_files"].notna()]
    yield finding(
        "LF406",
        f"{counted(len(owners), 'case')} with masks of further structures, all {owners['classification'].iloc[0]} "
        f"(Fisher {p_clause(found.p)}): {named(list(owners['case_id']))}. "
        "Merged into the lesion's mask they tell the class.",
        cases=list(owners["case_id"]),
    )
