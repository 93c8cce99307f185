"""Images that occur twice, within a cohort or in two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lesion_fusion.cohort.audit.findings import Finding, Severity, counted, finding, named
from lesion_fusion.cohort.audit.perceptual_hash import close_pairs
from lesion_fusion.cohort.audit.pictures import Picture


@dataclass(frozen=True)
class Pair:
    """Two images: `exact` where every pixel is the same, else `distance` bits of their hashes differ."""

    first: str
    second: str
    exact: bool
    distance: int


def duplicate_pairs(pictures: Sequence[Picture], others: Sequence[Picture], bits: int) -> list[Pair]:
    """Return the pairs of `pictures` and `others` that are the same or nearly so; images without content are no pair.

    With `others` the very same sequence as `pictures`, each pair of two different images is returned once.
    """
    within = others is pictures
    left = [one for one in pictures if not one.flat]
    right = [one for one in others if not one.flat]
    if not left or not right:
        return []
    hashes, other_hashes = (np.stack([one.hashes for one in group]) for group in (left, right))
    nearest: dict[tuple[int, int], int] = {}
    # Either of the two may be the crop of the other.
    found = [*close_pairs(hashes, other_hashes, bits)]
    if not within:
        found += [(i, j, distance) for j, i, distance in close_pairs(other_hashes, hashes, bits)]
    for i, j, distance in found:
        key = (min(i, j), max(i, j)) if within else (i, j)
        if not within or i != j:
            nearest[key] = min(distance, nearest.get(key, distance))
    return [
        Pair(left[i].name, right[j].name, left[i].digest == right[j].digest, distance)
        for (i, j), distance in sorted(nearest.items())
    ]


def pair_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return first, second, exact, distance."""
    return pd.DataFrame(
        [(pair.first, pair.second, pair.exact, pair.distance) for pair in pairs],
        columns=["first", "second", "exact", "distance"],
    )


def duplicate_findings(cases: pd.DataFrame, within: Sequence[Pair], between: Sequence[Pair]) -> Iterator[Finding]:
    """Yield LF301 to LF304; `within` are pairs of this cohort's cases, `between` pairs with another cohort's images."""
    patient = cases.set_index("case_id")["patient_id"]
    for number, exact in (("LF301", True), ("LF302", False)):
        pairs = [pair for pair in within if pair.exact is exact]
        if not pairs:
            continue
        crossing = [pair for pair in pairs if patient[pair.first] != patient[pair.second]]
        how = "are the same pixel for pixel" if exact else "look the same"
        of_whom = f"{len(crossing):,} of different patients" if crossing else "all of one patient each"
        yield finding(
            number,
            f"{counted(len(pairs), 'pair')} of images {how}, {of_whom}: {_listed(pairs)}.",
            cases=sorted({name for pair in pairs for name in (pair.first, pair.second)}),
            severity=Severity.ERROR if crossing else Severity.WARNING,
        )
    for number, exact in (("LF303", True), ("LF304", False)):
        pairs = [pair for pair in between if pair.exact is exact]
        if pairs:
            yield finding(
                number,
                f"{counted(len(pairs), 'image')} occur{'s' if len(pairs) == 1 else ''} in the other cohort too"
                f"{'' if exact else ', slightly altered'}: {_listed(pairs)}.",
                cases=sorted({pair.first for pair in pairs}),
            )


def picture_findings(pictures: Sequence[Picture]) -> Iterator[Finding]:
    """Yield LF305 and LF306."""
    hidden = [one.name for one in pictures if one.hidden_pixels]
    if hidden:
        yield finding(
            "LF305",
            f"In {counted(len(hidden), 'image')} colour lies under a transparent border, which a plain conversion to "
            f"gray brings out: {named(hidden)}. Here these pixels are made black.",
            cases=hidden,
        )
    flat = [one.name for one in pictures if one.flat]
    if flat:
        yield finding("LF306", f"{counted(len(flat), 'image')} without content: {named(flat)}.", cases=flat)


def _listed(pairs: Sequence[Pair]) -> str:
    return named(
        [f"{pair.first} and {pair.second}" + ("" if pair.exact else f" ({pair.distance} bits)") for pair in pairs]
    )
