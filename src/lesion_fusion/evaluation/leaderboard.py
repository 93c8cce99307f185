"""The leaderboard: one row per model, metrics with intervals, ranks with ties, difference to the simple baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.predictions import PredictionArrays
from lesion_fusion.statistics.bootstrap import difference_p_value, holm
from lesion_fusion.statistics.metrics import METRICS
from lesion_fusion.statistics.weighted import Floats

# The columns of a candidate's comparison, and their names on the leaderboard.
MUST_BEAT = {
    "reference": "must_beat",
    "difference": "must_beat_difference",
    "low": "must_beat_difference_low",
    "high": "must_beat_difference_high",
    "p_holm": "must_beat_p",
}


def leaderboard(
    predictions: Sequence[pd.DataFrame], judge: Judge, baseline: str, candidates: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the models in one table, the best first; ValueError if they can't be compared.

    Models are compared within a group: the same protocol and the same classes, hence the same cases. Rank 1 is the
    model of the highest AUROC and every model whose paired difference to it is not significant after Holm's
    correction over the group; the next rank starts with the best of the rest, found in the same way among them.
    Ranks count models, so that after three at rank 1 comes rank 4.

    `candidates` is the table of `comparisons.keep_candidates`. Columns: protocol, family, model, n (cases), n_patients,
    n_repeats, rank, kept; each metric of `METRICS` with `_low` and `_high`; baseline_difference (AUROC minus that of
    `baseline`) with `_low` and `_high`, and baseline_p, Holm-corrected over the group; of a candidate the model that it
    `must_beat`, must_beat_difference with `_low` and `_high`, and must_beat_p, Holm-corrected over the candidates.
    """
    if not predictions:
        raise ValueError("The leaderboard needs the predictions of at least one model")
    models = [judge.arrays(table) for table in predictions]
    groups: dict[tuple[str, tuple[str, ...]], list[PredictionArrays]] = {}
    for model in models:
        groups.setdefault((model.protocol, model.classes), []).append(model)
    names = sorted({model.name for model in models})
    if baseline not in names:
        raise ValueError(f"No predictions of the baseline {baseline!r}; there are {', '.join(names)}")
    parts = [_group_table(sorted(group, key=lambda model: model.name), judge, baseline) for group in groups.values()]
    board = pd.concat(parts, ignore_index=True)
    if candidates is None:
        candidates = pd.DataFrame(columns=["model", "kept", *MUST_BEAT])
    listed = board["family"] + "." + board["model"]
    found = candidates.set_index("model").reindex(listed).reset_index(drop=True)
    board.insert(7, "kept", found["kept"].ne(False))
    return board.join(found[list(MUST_BEAT)].rename(columns=MUST_BEAT))


def best_of_each_family(board: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the highest AUROC of each family, the best first.

    A candidate that is not kept stands for its family only where there is nothing else.
    """
    ordered = board.sort_values(["kept", "auroc", "model"], ascending=[False, False, True])
    return ordered.drop_duplicates("family").sort_values("auroc", ascending=False, ignore_index=True)


def _group_table(models: list[PredictionArrays], judge: Judge, baseline: str) -> pd.DataFrame:
    _check_comparable(models)
    n_patients = len(np.unique(judge.patient_ids(models[0].case_ids)))
    aurocs: dict[str, Floats] = {}
    estimates: dict[str, float] = {}
    rows = []
    for model in models:
        row: dict[str, object] = {"protocol": model.protocol, "family": model.family, "model": model.model}
        row |= {"n": len(model.case_ids), "n_patients": n_patients, "n_repeats": model.n_repeats}
        found = judge.estimates(model)
        for name, metric in found.items():
            row |= {name: metric["estimate"], f"{name}_low": metric["low"], f"{name}_high": metric["high"]}
        rows.append(row)
        if "auroc" in found:
            aurocs[model.name] = judge.metric_draws(model, METRICS["auroc"])
            estimates[model.name] = found["auroc"]["estimate"]
    table = pd.DataFrame(rows, index=[model.name for model in models])
    table.insert(6, "rank", pd.Series(_ranks(estimates, aurocs, 1 - judge.confidence), dtype="Int64"))
    table = table.join(_differences(estimates, aurocs, baseline, judge))
    return table.sort_values(["rank", "auroc", "family", "model"], ascending=[True, False, True, True])


def _check_comparable(models: list[PredictionArrays]) -> None:
    twice = sorted(name for name, n in Counter(model.name for model in models).items() if n > 1)
    if twice:
        raise ValueError(f"Predictions of one protocol are given twice: {', '.join(twice)}")
    first = models[0]
    for model in models[1:]:
        if not (np.array_equal(model.case_ids, first.case_ids) and np.array_equal(model.labels, first.labels)):
            lacking = set(first.case_ids) ^ set(model.case_ids)
            raise ValueError(
                f"{first.name} and {model.name} ({first.protocol}) were tested on different cases or labels "
                f"({len(lacking)} cases stand in one only): they can't stand in one leaderboard"
            )


def _ranks(estimates: dict[str, float], aurocs: dict[str, Floats], level: float) -> dict[str, int]:
    """Return the rank of each model; see `leaderboard`."""
    ranks: dict[str, int] = {}
    rest = sorted(estimates, key=lambda name: -estimates[name])
    while rest:
        leader, *others = rest
        p = [difference_p_value(estimates[leader] - estimates[name], aurocs[leader] - aurocs[name]) for name in others]
        tied = {leader} | {name for name, value in zip(others, holm(p), strict=True) if value >= level}
        ranks |= dict.fromkeys(tied, len(estimates) - len(rest) + 1)
        rest = [name for name in rest if name not in tied]
    return ranks


def _differences(estimates: dict[str, float], aurocs: dict[str, Floats], baseline: str, judge: Judge) -> pd.DataFrame:
    """Return each model's AUROC less the baseline's, with interval and corrected p, by the model's name."""
    others = [name for name in estimates if name != baseline] if baseline in estimates else []
    pairs = [(estimates[name], estimates[baseline]) for name in others]
    draws = [aurocs[name] - aurocs[baseline] for name in others]
    rows = list(map(judge.paired_difference, pairs, draws))
    table = pd.DataFrame(rows, columns=["difference", "low", "high", "p"], index=others, dtype=float)
    table["p"] = holm(table["p"])
    return table.set_axis(
        [f"baseline_{name}" for name in ("difference", "difference_low", "difference_high", "p")], axis=1
    )
