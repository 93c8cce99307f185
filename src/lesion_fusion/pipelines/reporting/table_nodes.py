"""Nodes that tabulate: the models in numbers, against each other, against the radiologist, and in subgroups."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.mlflow_runs import FamilyResults
from lesion_fusion.evaluation.comparisons import PlannedComparisons, compare_pairs, missing_modality
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.evaluation.leaderboard import best_of_each_family
from lesion_fusion.evaluation.reader import compare_to_reader, operating_points, reader_auroc
from lesion_fusion.evaluation.subgroups import subgroup_differences, subgroup_levels, subgroup_table
from lesion_fusion.models.base import Family, Need
from lesion_fusion.notation import difference, p_value, with_interval
from lesion_fusion.pipelines.fusion.nodes import all_models, on_leaderboard
from lesion_fusion.reporting.standing import Place, places
from lesion_fusion.statistics.metrics import METRICS, tabulated_metrics

READING = ["case_id", "patient_id", "label", "birads"]
# Fusion is compared with the other families, a family never with itself.
ORDER_OF_COMPARISON = ("fusion", "clinical", "imaging")
NETWORK_COLUMNS = ("model", "backbone", "optimizer", "regime", "weights", "image_input")
NETWORK_METRICS = ("auroc", "accuracy")
DIFFERENCE_COLUMNS = ["model", "reference", "n", "auroc", "reader_auroc", "difference", "low", "high", "p_holm"]
POINT_COLUMNS = ["cut", "n", "sensitivity", "specificity"]
ENDS = {"": "estimate", "_low": "low", "_high": "high"}


def tabulate_models(leaderboard: pd.DataFrame, evaluation: Evaluation) -> pd.DataFrame:
    """Return one row per model in the leaderboard's order: every metric with its interval, as text for a paper.

    Columns: Family, Rank, Model, each tabulated metric that any model has, Difference to baseline, p (corrected); a
    cell is empty where a model has no such metric.
    """
    board = places(leaderboard, evaluation.baseline, evaluation.confidence)
    present = [name for name in tabulated_metrics() if any(name in place.metrics for place in board)]
    return pd.DataFrame([_model_row(place, present) for place in board])


def _model_row(place: Place, present: list[str]) -> dict[str, str]:
    pair = place.against_baseline
    held = {name: with_interval(place.metrics[name], METRICS[name].digits) for name in present if name in place.metrics}
    return {
        "Family": place.family,
        "Rank": f"{place.rank}{' (tied)' if place.tied else ''}",
        "Model": place.model,
        **{METRICS[name].label: held.get(name, "") for name in present},
        "Difference to baseline": difference(pair.difference) if pair else "",
        "p (corrected)": p_value(pair.p) if pair else "",
    }


def compare_families(leaderboard: pd.DataFrame, judge: Judge, *families: Family) -> pd.DataFrame:
    """Return the best models of the families compared in pairs; no row where there is one family."""
    best = best_of_each_family(leaderboard).set_index("family")["model"].to_dict()
    names = [f"{family}.{best[family]}" for family in ORDER_OF_COMPARISON if family in best]
    if len(names) == 1:
        return pd.DataFrame(columns=["model", "reference", "difference"])
    models = all_models(*families)
    return compare_pairs([models[name].predictions for name in names], list(combinations(names, 2)), judge)


def evaluate_missing_modality(fusion: Family, judge: Judge) -> pd.DataFrame:
    """Return what the fusions achieve without image and without record."""
    models = fusion.on_leaderboard()
    reduced = {
        name: trained.reduced_predictions
        for name, trained in models.items()
        if trained.reduced_predictions is not None and len(trained.reduced_predictions)
    }
    predictions = [trained.predictions for trained in models.values()]
    return missing_modality(predictions, reduced, [Need.IMAGE, Need.RECORD], judge)


def has_reader(cases: pd.DataFrame, study: Study) -> bool:
    """Return whether the target is one class against another, and the cohort has a BI-RADS category."""
    return len(study.classes) == 2 and bool(cases["birads"].notna().any())


def compare_with_reader(
    cases: pd.DataFrame, judge: Judge, study: Study, *families: Family
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each model's AUROC less that of the BI-RADS category, and its operating points; empty without a reader."""
    if not has_reader(cases, study):
        return pd.DataFrame(columns=DIFFERENCE_COLUMNS), pd.DataFrame(columns=POINT_COLUMNS)
    readings, positive = cases[READING], study.classes[-1]
    predictions = [trained.predictions for trained in on_leaderboard(*families).values()]
    reader = reader_auroc(readings, positive, judge)
    named = {f"reader_auroc{end}": reader[bound] for end, bound in ENDS.items()}
    differences = compare_to_reader(predictions, readings, judge).assign(reference="BI-RADS category", **named)
    return differences, operating_points(readings, positive, judge)


def tabulate_subgroups(
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    leaderboard: pd.DataFrame,
    judge: Judge,
    study: Study,
    *families: Family,
) -> pd.DataFrame:
    """Return the best model's metrics by age, tissue, lesion size and verification; empty for three classes."""
    if len(study.classes) != 2:
        return pd.DataFrame(columns=["variable", "level", "n"])
    best = best_of_each_family(leaderboard).iloc[0]
    trained = all_models(*families)[f"{best['family']}.{best['model']}"]
    return subgroup_table(trained.predictions, _levels(cases, image_descriptors), judge)


def compare_in_subgroups(
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    comparisons: PlannedComparisons,
    judge: Judge,
    study: Study,
    *families: Family,
) -> pd.DataFrame:
    """Return, for each planned comparison of a fused with a clinical model, the difference in every subgroup.

    Columns: what, then those of `subgroup_differences`. Empty for a target of more than two classes.
    """
    columns = ["what", "variable", "level", "n", "n_positive", "difference", "low", "high", "p", "p_holm"]
    pairs = [
        (row.what, row.model, row.reference)
        for group in comparisons.present.values()
        for row in group.rows
        if row.reference and row.is_fusion_against_record
    ]
    if len(study.classes) != 2 or not pairs:
        return pd.DataFrame(columns=columns)
    models = all_models(*families)
    levels = _levels(cases, image_descriptors)
    levels = levels[levels["variable"] != "verification"]
    parts = [
        subgroup_differences(models[model].predictions, models[reference].predictions, levels, judge).assign(what=what)
        for what, model, reference in pairs
    ]
    return pd.concat(parts, ignore_index=True)[columns]


def _levels(cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> pd.DataFrame:
    """Return the subgroups of each case; a lesion's size is its largest diameter, where the pixel size is known."""
    sizes = image_descriptors[["case_id", "feret_mm"]].rename(columns={"feret_mm": "lesion_size"})
    described = cases.merge(sizes, on="case_id", how="left")
    return subgroup_levels(described[["case_id", "age", "tissue_composition", "lesion_size", "verification"]])


def tabulate_networks(imaging: Family, results: FamilyResults) -> pd.DataFrame:
    """Return one row per network over images alone, by falling AUROC.

    Columns: `NETWORK_COLUMNS`, and each of `NETWORK_METRICS` with _low and _high.
    """
    rows = []
    for name, trained in imaging.on_leaderboard().items():
        settings, metrics = trained.parameters.network_settings, results.metrics[name]["metrics"]
        if settings is not None:
            present = [metric for metric in NETWORK_METRICS if metric in metrics]
            found = {f"{metric}{end}": metrics[metric][bound] for metric in present for end, bound in ENDS.items()}
            rows.append({"model": name, **settings, **found})
    columns = [*NETWORK_COLUMNS, *(f"{metric}{end}" for metric in NETWORK_METRICS for end in ENDS)]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["auroc", "model"], ascending=[False, True], ignore_index=True)
