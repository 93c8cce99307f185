"""Candidates: models that add complexity and are kept only for a gain that the paired test supports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lesion_fusion.evaluation.comparisons import compare_pairs, difference_in_words

COLUMNS = ["model", "reference", "n", "estimate", "reference_estimate", "difference", "low", "high", "p", "p_holm"]


def keep_candidates(
    predictions: Sequence[pd.DataFrame],
    must_beat: Mapping[str, str],
    patients: pd.DataFrame,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return which candidates are kept, one row each.

    Args:
        predictions: of every model that is named, of one protocol.
        must_beat: the model that a candidate must beat, by candidate.
        patients: case_id and patient_id of every predicted case.
        resamples: of patients.
        confidence: of the intervals; 1 - confidence is the level of the test.
        seed: of the resamples.

    Returns:
        `COLUMNS` (AUROC; as in `comparisons.compare_pairs`, p corrected over the candidates), `kept`: a higher AUROC
        and a corrected p below the level, and `reason`, in words.
    """
    if not must_beat:
        return pd.DataFrame(columns=[*COLUMNS, "kept", "reason"])
    pairs = list(must_beat.items())
    table = compare_pairs(predictions, pairs, patients, "auroc", resamples, confidence, seed).reindex(columns=COLUMNS)
    significant = table["p_holm"] < 1 - confidence
    table["kept"] = significant & (table["difference"] > 0)
    table["reason"] = [
        _reason(row, bool(told_apart)) for row, told_apart in zip(table.to_dict("records"), significant, strict=True)
    ]
    return table


def _reason(row: Mapping[Any, Any], told_apart: bool) -> str:
    found = (
        f"difference in AUROC to {row['reference']} {difference_in_words(row['difference'], row['low'], row['high'])}, "
        f"corrected p {row['p_holm']:.3f}"
    )
    if not told_apart:
        return f"no gain that the paired test supports: {found}"
    return f"{'a gain' if row['difference'] > 0 else 'a loss'} that the paired test supports: {found}"
