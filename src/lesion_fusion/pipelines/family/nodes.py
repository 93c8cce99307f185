"""Nodes over all models of a family: collect, evaluate, draw, track. They know no kind of model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.tables import records
from lesion_fusion.datasets.mlflow_runs import RunRecord
from lesion_fusion.evaluation.attention import GROUPS, attention_summary, gallery_cases
from lesion_fusion.evaluation.curves import calibration_curve, confusion_table, roc_curve
from lesion_fusion.evaluation.judge import Judge, per_fold, summary
from lesion_fusion.evaluation.predictions import class_names
from lesion_fusion.imaging.attention import heat_map
from lesion_fusion.imaging.case_files import Files, Masks, read_cases
from lesion_fusion.imaging.lesion_image import lesion_image, lesion_mask
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import GrayImage, Mask
from lesion_fusion.models.base import Family, Trained
from lesion_fusion.models.network import last_repeat
from lesion_fusion.plots.curves import model_plot
from lesion_fusion.plots.forest import importance_plot
from lesion_fusion.plots.networks import attention_plot, training_plot
from lesion_fusion.plots.pictures import Picture, picture_grid
from lesion_fusion.plots.style import as_png
from lesion_fusion.tabular.out_of_fold import REFIT, importance_summary
from lesion_fusion.tabular.tuning import best_points

# Of each model: its metrics with intervals, and the medians of a network's attention, one record per class.
Evaluated = dict[str, dict[str, Any]]

# Edge of a picture in the gallery, pixels: finer than what the network sees.
PICTURE = 192
# Resolution of a model's plots: of so many, a finer one takes seconds and shows nothing more.
DPI = 110
PICTURES_IN_A_ROW = 6


def collect(**trained: Trained) -> Family:
    """Return the family of the trained models, which are named `<family>.<model>`."""
    return Family(trained)


def evaluate_family(family: Family, judge: Judge) -> Evaluated:
    """Return `{model: {"metrics": …, "attention": …}}`: metrics pooled out of fold, each with its interval."""
    found: Evaluated = {}
    for name, trained in family.models.items():
        attention = [] if trained.attention is None else records(attention_summary(trained.attention, judge))
        found[name] = {"metrics": summary(trained.predictions, judge), "attention": attention}
    return found


def draw_family(
    family: Family, evaluated: Evaluated, judge: Judge, cases: pd.DataFrame, raw_images: Files, raw_masks: Masks
) -> dict[str, bytes]:
    """Return the plots of every model as PNG pictures, named `<model>/<plot>`."""
    plots: dict[str, bytes] = {}
    for name, trained in family.models.items():
        drawn = _model_plots(name, trained, judge)
        if trained.class_maps is not None and trained.attention is not None:
            by_class, classes = pd.DataFrame(evaluated[name]["attention"]), class_names(trained.predictions)
            title = f"Attention inside the lesion, {name}"
            drawn["attention"] = as_png(attention_plot(trained.attention, by_class, classes, title), DPI)
            curves = training_plot(trained.training_log, f"Training, {name}: mean over the folds")
            drawn["training_curves"] = as_png(curves, DPI)
            drawn["gallery"] = gallery(name, trained, cases, raw_images, raw_masks)
        plots |= {f"{name}/{plot}": picture for plot, picture in drawn.items()}
    return plots


def _model_plots(name: str, trained: Trained, judge: Judge) -> dict[str, bytes]:
    """Return the model's curves with its confusion matrix, and the importance of a classifier's columns."""
    predictions = trained.predictions
    roc, calibration = roc_curve(predictions, judge), calibration_curve(predictions, judge)
    drawn = {"evaluation": model_plot(roc, calibration, confusion_table(predictions, judge), name)}
    if trained.importance is not None:
        score = "AUROC" if len(class_names(predictions)) == 2 else "log likelihood"
        table = importance_summary(trained.importance, judge.confidence)
        drawn["permutation_importance"] = importance_plot(table, score, title=f"Permutation importance, {name}")
    return {plot: as_png(figure, DPI) for plot, figure in drawn.items()}


def gallery(name: str, trained: Trained, cases: pd.DataFrame, raw_images: Files, raw_masks: Masks) -> bytes:
    """Return the cases that a network is best, least sure and worst at, each with its outline and its Grad-CAM.

    Cases are chosen, and probabilities written, by the repeat that the class maps are of.
    """
    class_maps = trained.class_maps
    assert class_maps is not None
    explained = last_repeat(trained.predictions, cases)
    classes = class_names(explained)
    each = max(1, PICTURES_IN_A_ROW // len(classes))
    chosen = gallery_cases(explained, each)
    wanted = explained["case_id"].isin(chosen["case_id"]).to_numpy()
    finer = trained.model.image_inputs[0].model_copy(update={"size": PICTURE})
    files = read_cases(cases[wanted], raw_images, raw_masks)
    pictures = {
        case["case_id"]: _case_and_heat(case, class_map, case_files, finer, classes)
        for case, class_map, case_files in zip(records(explained[wanted]), class_maps[wanted], files, strict=True)
    }
    rows: list[tuple[str, list[Picture | None]]] = []
    for group in GROUPS:
        ids: list[str | None] = []
        for label in classes:
            found = list(chosen.loc[(chosen["group"] == group) & (chosen["label"] == label), "case_id"])
            ids += [*found, *[None] * (each - len(found))]
        for heading, part in ((group, 0), ("Grad-CAM", 1)):
            rows.append((heading, [None if case_id is None else pictures[case_id][part] for case_id in ids]))
    title = f"Cases of {name}: outcome in the columns"
    return as_png(picture_grid(rows, dict.fromkeys(classes, each), title), dpi=DPI)


def _case_and_heat(
    case: Mapping[str, Any],
    class_map: np.ndarray,
    files: tuple[GrayImage, Mask | None, list[Mask]],
    image_input: ImageInput,
    classes: Sequence[str],
) -> tuple[Picture, Picture]:
    """Return a case with its outline, and the same under the heat of what speaks for its more probable class."""
    image, tumor, others = files
    gray = lesion_image(image, tumor, others, image_input)[..., 0]
    mask = lesion_mask(image.shape, tumor, others, image_input)
    answer = int(np.argmax([case[f"p_{name}"] for name in classes]))
    label = case["label"]
    return (
        Picture(gray, f"{case['case_id']}\np({label}) = {case[f'p_{label}']:.2f}", mask),
        Picture(gray, f"for {classes[answer]}", mask, heat_map(class_map[..., answer], image_input.size)),
    )


def gather_results(
    family: Family,
    evaluated: Evaluated,
    plots: Mapping[str, bytes],
    judge: Judge,
    cases: pd.DataFrame,
) -> list[RunRecord]:
    """Return what the tracked run of each model shows."""
    found = []
    for name, trained in family.models.items():
        model, metrics = trained.model, evaluated[name]["metrics"]
        needed, prefix = ", ".join(model.efforts), f"{name}/"
        found.append(
            RunRecord(
                family=model.family,
                name=model.name,
                tags={**judge.model_tags, "needs": needed},
                parameters=flatten(trained.parameters.model_dump()),
                metrics=flat_metrics(metrics),
                cases=cases,
                note=_note(metrics, trained.predictions, needed),
                histories=_histories(trained.training_log, trained.predictions),
                plots={f"{key.removeprefix(prefix)}.png": plots[key] for key in plots if key.startswith(prefix)},
                tables=_tables(trained, evaluated[name]["attention"]),
            )
        )
    return found


def _tables(trained: Trained, attention_by_class: list[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    tables = {"predictions.csv": trained.predictions, "training_log.csv": trained.training_log}
    if "chosen" in trained.training_log:
        tables["tuning_results.csv"] = best_points(trained.training_log)
    if trained.importance is not None:
        tables["permutation_importance.csv"] = trained.importance
    if trained.attention is not None:
        tables |= {"attention.csv": trained.attention, "attention_by_class.csv": pd.DataFrame(attention_by_class)}
    return tables


def flat_metrics(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return metrics as MLflow takes them: `<metric>`, `<metric>_low`, `<metric>_high`."""
    ends = {"": "estimate", "_low": "low", "_high": "high"}
    return {f"{name}{end}": metric[bound] for name, metric in metrics.items() for end, bound in ends.items()}


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return nested parameters as one level of text, keys joined by dots."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _note(metrics: Mapping[str, Mapping[str, float]], predictions: pd.DataFrame, needed: str) -> str:
    auroc = metrics.get("auroc")
    found = "AUROC {estimate:.3f} ({low:.3f} to {high:.3f})".format(**auroc) if auroc else "No AUROC"
    return f"{found}, pooled out of fold over {predictions['case_id'].nunique()} cases. Needs: {needed}."


def _histories(training_log: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, dict[int, float]]:
    """Return AUROC fold by fold, and a network's curves epoch by epoch, one per fold."""
    by_fold = per_fold(predictions)
    aurocs = by_fold[by_fold["metric"] == "auroc"]
    histories = {"fold_auroc": dict(enumerate(aurocs["value"]))}
    if "epoch" in training_log:
        training = training_log["repeat"].astype("str") + "_fold_" + training_log["fold"].astype("str")
        for name, rows in training_log.groupby(training):
            place = "all_cases" if rows["fold"].iloc[0] == REFIT else f"repeat_{name}"
            for metric in rows.columns.difference(["repeat", "fold", "epoch", "learning_rate"]):
                values = rows.dropna(subset=[metric])
                if len(values):
                    histories[f"{place}/{metric}"] = dict(zip(values["epoch"].astype(int), values[metric], strict=True))
    return histories
