"""The pipeline of the published study's reproduction."""

from __future__ import annotations

from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import ModelName
from lesion_fusion.pipelines.paper_reproduction import nodes
from lesion_fusion.pipelines.reporting.plot_nodes import draw_audit
from lesion_fusion.pipelines.stage import FILES, step
from lesion_fusion.published_study import comparison
from lesion_fusion.published_study.gallery import write_gallery
from lesion_fusion.published_study.page import write_page
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.rows import row_images, row_images_under_predicted, study_rows

_PARAMETERS, _ARTICLE, _STUDY = "params:paper_reproduction", "params:article", "params:study"
_PREDICTED = {part: f"paper_{part}" for part in ("predicted_images", "predicted_descriptors")}
_TABLES = ("paper_comparison", "paper_shortcuts", "paper_luck")


def create_pipeline(parameters: PaperReproduction, outline: Outline) -> Pipeline:
    """Return the stage `paper_reproduction`: `cases` to the comparison of the protocols, its report and its gallery.

    Where networks draw all outlines, it reads these too, for the price of drawn ones.
    Each of the models that `parameters` name is a node of its own, so that an interrupted run goes on with the next.
    """
    entries = parameters.entries
    # What must be computed once before training; networks may share it.
    shared = {dataset: made for entry in entries.values() for dataset, made in entry.preparations().items()}
    logs = {name: f"paper_training_log.{name}" for name, entry in entries.items() if entry.network_settings}
    drawn = ["paper_rows", "paper_images", *FILES, "paper_predictions", *_TABLES, "paper_training_log", "paper_judge"]
    shown = [*_TABLES, "paper_rows", "paper_plots", "cohort_plots", "cohort_audit"]
    report = [_PARAMETERS, _ARTICLE, "params:report", "params:evaluation", _STUDY]
    under_predicted = _under_predicted(outline)
    models = [
        step(study_rows, ["cases", _PARAMETERS, _STUDY], "paper_rows"),
        step(row_images, ["paper_rows", *FILES, _PARAMETERS, _STUDY], ["paper_images", "paper_descriptors"]),
        *under_predicted,
        # In a namespace of their own: what a worker runs in one go is what one namespace makes of its own results.
        *(Node(compute, read, name, name=name, namespace="features") for name, (compute, read) in shared.items()),
        *(_model(name, parameters, predicted=bool(under_predicted)) for name in entries),
    ]
    structures = {
        family: nodes.structure_of(Pipeline(models), [f"paper_predictions.{family}.{name}" for name in of_family])
        for family, of_family in parameters.families.items()
    }
    draw_exhibits = update_wrapper(partial(nodes.draw_exhibits, structures=structures), nodes.draw_exhibits)
    judged = ["paper_predictions", "paper_comparison", "paper_judge", _PARAMETERS, _ARTICLE]
    # In one namespace: what is compared is judged by one judge, which is kept in memory.
    together = {"namespace": "comparison"}
    compared = [
        step(
            nodes.gather_predictions,
            {name: f"paper_predictions.{name}" for name in entries},
            "paper_predictions",
            **together,
        ),
        step(nodes.gather_logs, logs, "paper_training_log", **together),
        step(nodes.make_judge, ["paper_rows", "params:evaluation", _STUDY], "paper_judge", **together),
        step(
            comparison.compare_protocols,
            ["paper_predictions", "paper_judge", _PARAMETERS, _ARTICLE],
            _TABLES[0],
            **together,
        ),
        step(
            comparison.gain_by_shortcuts,
            ["paper_predictions", "paper_judge", _PARAMETERS],
            "paper_shortcuts",
            **together,
        ),
        step(comparison.luck_of_one_test_set, ["paper_predictions", _PARAMETERS], "paper_luck", **together),
        step(nodes.headline_metrics, "paper_comparison", "paper_metrics", **together),
        step(nodes.draw, [*drawn, _PARAMETERS], "paper_plots", **together),
        step(draw_exhibits, judged, "paper_exhibits", **together),
    ]
    steps = [
        step(draw_audit, "cohort_audit", "cohort_plots"),
        *models,
        *compared,
        step(write_page, [*shown, *report], "paper_reproduction_report", name="write_report"),
        step(write_gallery, ["paper_comparison", "paper_exhibits", *shown[4:], *report], "paper_gallery"),
    ]
    return Pipeline(steps, tags="paper_reproduction")


def _under_predicted(outline: Outline) -> list[Node]:
    """Return the step that sees the rows under outlines that networks drew; none where not all are theirs."""
    read = ["paper_rows", FILES[0], "outlines", _PARAMETERS, _STUDY]
    return [step(row_images_under_predicted, read, list(_PREDICTED.values()))] if outline.source == "predicted" else []


def _model(name: str, parameters: PaperReproduction, *, predicted: bool) -> Node:
    """Return the node that evaluates a model in all its cells; it reads the tables of the models that it joins.

    A compared model of the image reads what is seen under `predicted` outlines too, where there are any.
    """
    entry, model = parameters.entries[name], ModelName.parse(name)
    inputs = {part: f"paper_{part}" for part in ("rows", "images", "descriptors")}
    inputs |= {"parameters": _PARAMETERS, "tuning": "params:tuning", "study": _STUDY}
    outputs = {"predictions": f"paper_predictions.{name}"}
    if entry.network_settings:
        outputs["training_log"] = f"paper_training_log.{name}"
        if name in parameters.embedded:
            outputs["embeddings"] = f"paper_embeddings.{name}"
    if predicted and name in parameters.compared and entry.sees_image:
        inputs |= _PREDICTED
    inputs |= dict(zip(["backbone_features"], entry.preparations(), strict=False))
    for other in entry.reads:
        inputs[f"predictions.{other}"] = f"paper_predictions.{other}"
        if other in parameters.embedded:
            inputs[f"embeddings.{other}"] = f"paper_embeddings.{other}"
    return Node(nodes.reproduce(name), inputs, outputs, name="reproduce", namespace=model.full)
