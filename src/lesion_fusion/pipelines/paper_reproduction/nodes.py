"""Nodes that run the published protocol and its leak-free counterpart, compare them and draw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import TopologicalSorter

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline
from matplotlib.figure import Figure

from lesion_fusion.cohort.study import Study
from lesion_fusion.evaluation.curves import confusion_table, roc_curve
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.case_files import Files, read_cases
from lesion_fusion.models.base import ModelName
from lesion_fusion.notation import words
from lesion_fusion.plots import published_study as plots
from lesion_fusion.plots.curves import confusion_matrix_plot, roc_panels_plot, roc_plot
from lesion_fusion.plots.networks import training_plot
from lesion_fusion.plots.structure import Step, structure_plot
from lesion_fusion.plots.style import as_png
from lesion_fusion.published_study.article import Article, Exhibit
from lesion_fusion.published_study.comparison import best_of_families, comparison_columns, published_column
from lesion_fusion.published_study.evaluation import Reproduction, of_cell
from lesion_fusion.published_study.gallery import models_of
from lesion_fusion.published_study.metrics import METRICS
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.protocol import Protocol
from lesion_fusion.published_study.rows import MASKINGS
from lesion_fusion.tabular.parameters import Tuning


def reproduce(full_name: str) -> Callable[..., dict[str, pd.DataFrame]]:
    """Return the node that evaluates a model in all its cells; it reads tables as `<part>.<family>.<model>`."""

    def evaluate(
        rows: pd.DataFrame,
        images: np.ndarray,
        descriptors: pd.DataFrame,
        parameters: PaperReproduction,
        tuning: Tuning,
        study: Study,
        backbone_features: np.ndarray | None = None,
        predicted_images: np.ndarray | None = None,
        predicted_descriptors: pd.DataFrame | None = None,
        **read: pd.DataFrame,
    ) -> dict[str, pd.DataFrame]:
        under_predicted = None
        if predicted_images is not None and predicted_descriptors is not None:
            under_predicted = predicted_images, predicted_descriptors
        given = (rows, images, descriptors, parameters, tuning, study.seed, read, backbone_features, under_predicted)
        return Reproduction(*given).evaluate(full_name)

    return evaluate


def gather_predictions(**predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of tested rows of all models, one below the other."""
    tested = [table[table["part"] == "predictions"].drop(columns="part") for table in predictions.values()]
    return pd.concat(tested, ignore_index=True)


def gather_logs(**logs: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs of all networks, one below the other."""
    return pd.concat([pd.DataFrame(columns=["protocol", "model", "repeat", "fold"]), *logs.values()], ignore_index=True)


def make_judge(rows: pd.DataFrame, evaluation: Evaluation, study: Study) -> Judge:
    """Return what all models are judged with; a row is of the same patient with and without permuted labels."""
    return evaluation.judge(rows.drop_duplicates("case_id"), study.seed)


def headline_metrics(comparison: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return accuracy and AUROC of every model under each protocol, as MLflow's dataset of metrics takes them."""
    return {
        f"{row['family']}.{row['model']}.{column}.{row['metric']}": {"value": float(row[column]), "step": 0}
        for _, row in comparison[comparison["metric"].isin(["accuracy", "auroc"])].iterrows()
        for column in ("as_fused", "reproduced", "leak_free", "no_signal")
        if np.isfinite(row[column])
    }


def draw(
    rows: pd.DataFrame,
    images: np.ndarray,
    raw_images: Files,
    raw_masks: Files,
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    shortcuts: pd.DataFrame,
    luck: pd.DataFrame,
    training_log: pd.DataFrame,
    judge: Judge,
    parameters: PaperReproduction,
) -> dict[str, bytes]:
    """Return the plots by name as PNG pictures; matrices and curves are of the best model of each family."""
    seen = ~rows["permuted"].to_numpy()
    shown = rows[seen & (rows["copy"] == 0)].sort_values("case_id").drop_duplicates("label")
    files = read_cases(shown, raw_images, raw_masks)
    masked = images[seen][..., MASKINGS.index(Protocol().masks)]
    cells = comparison_columns(parameters)
    best = {name: best_of_families(predictions, comparison, cells[name]) for name in ("reproduced", "leak_free")}
    curves = {
        protocol.replace("_", "-"): {name: roc_curve(table, judge) for name, table in tables.items()}
        for protocol, tables in best.items()
    }
    logs = training_log[training_log["protocol"] == cells["reproduced"].name].groupby("model", sort=False)
    figures = {
        "masking": plots.masking_plot(shown, files, parameters.image_size),
        "copies": plots.copies_plot(rows[seen], masked),
        "accuracies": plots.models_plot(comparison, "accuracy", METRICS["accuracy"].label),
        "shortcuts": plots.shortcuts_plot(shortcuts),
        "luck": plots.luck_plot(luck, comparison),
        "confusion_matrices": plots.confusion_matrices_plot(best["reproduced"], judge),
        "confusion_matrices_leak_free": plots.confusion_matrices_plot(best["leak_free"], judge),
        "roc_curves": roc_panels_plot(curves),
    }
    figures |= {f"training/{name}": training_plot(log, f"Training, imaging.{name}") for name, log in logs}
    return {name: as_png(figure) for name, figure in figures.items()}


def structure_of(pipeline: Pipeline, outputs: Iterable[str]) -> list[Step]:
    """Return the steps of a pipeline that make `outputs`, for a drawing: models of a family are one step."""
    needed = pipeline.to_outputs(*outputs)
    made_by: dict[str, str] = {}
    details: dict[str, list[str]] = defaultdict(list)
    reads: dict[str, dict[str, dict[str, None]]] = defaultdict(dict)
    for name in sorted(name for name in needed.inputs() if not name.startswith("params:")):
        made_by[name] = words(name)
    for node in needed.nodes:
        model = ModelName.parse(node.namespace or "")
        step = f"{model.family} models" if model.family else words(node.func.__name__)
        details[step] += [detail] if (detail := model.name or node.name.partition(".")[2]) else []
        made_by |= dict.fromkeys(node.outputs, step)
        # What a dataset holds is its name without prefix and model. Models of one family may read each other.
        for one in sorted(node.inputs):
            if one in made_by and made_by[one] != step:
                held = words(one.partition(".")[0].removeprefix("paper_"))
                reads[step].setdefault(made_by[one], {})[held] = None
    order = list(TopologicalSorter({step: reads[step] for step in dict.fromkeys(made_by.values())}).static_order())
    return [
        Step(step, details[step], [(order.index(other), ", ".join(held)) for other, held in reads[step].items()])
        for step in order
    ]


def draw_exhibits(
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    judge: Judge,
    parameters: PaperReproduction,
    article: Article,
    *,
    structures: Mapping[str, Sequence[Step]],
) -> dict[str, bytes]:
    """Return the counterparts of the article's figures as PNG pictures, `<number>/<what>`.

    What: `reproduced` and `leak_free`, or `all` where one picture has both. `structures` are the steps that lead to the
    predictions of each family.
    """
    figures = {}
    for exhibit in article.exhibits:
        chosen = models_of(exhibit, comparison, parameters)
        if exhibit.kind == "structure":
            family = str(exhibit.family)
            figures[f"{exhibit.number}/all"] = structure_plot(structures[family], f"Steps to the {family} models")
        elif exhibit.kind == "bars" and chosen:
            rows = comparison[(comparison["family"] + "." + comparison["model"]).isin(chosen)]
            figures[f"{exhibit.number}/all"] = plots.models_plot(rows, exhibit.metric, METRICS[exhibit.metric].label)
        elif exhibit.kind in ("roc_curves", "confusion_matrix") and chosen:
            for column in ("reproduced", "leak_free"):
                tables = {name: _judged_as(column, name, predictions, parameters) for name in chosen}
                figures[f"{exhibit.number}/{column}"] = _curves_or_matrix(exhibit, column, tables, judge)
    return {name: as_png(figure) for name, figure in figures.items()}


def _judged_as(column: str, name: str, predictions: pd.DataFrame, parameters: PaperReproduction) -> pd.DataFrame:
    """Return a model's predictions leak-free, or as the article judged its family."""
    column = column if column == "leak_free" else published_column(ModelName.parse(name).family)
    return of_cell(predictions, name, comparison_columns(parameters)[column].name)


def _curves_or_matrix(exhibit: Exhibit, column: str, tables: Mapping[str, pd.DataFrame], judge: Judge) -> Figure:
    if exhibit.kind == "confusion_matrix":
        name, table = next(iter(tables.items()))
        return confusion_matrix_plot(confusion_table(table, judge), title=f"{name}, {words(column)}")
    return roc_plot({name: roc_curve(table, judge) for name, table in tables.items()}, title=words(column).capitalize())
