"""The pipeline of the published study's reproduction."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.pipelines.paper_reproduction import nodes
from lesion_fusion.pipelines.reporting.plot_nodes import draw_audit
from lesion_fusion.pipelines.stage import FILES, step
from lesion_fusion.published_study import comparison
from lesion_fusion.published_study.page import write_page
from lesion_fusion.published_study.rows import row_images, study_rows

_PARAMETERS = "params:paper_reproduction"
_STUDY = "params:study"
_PARTS = ("predictions", "inner_predictions")
_TABLES = ("paper_comparison", "paper_shortcuts", "paper_luck")


def create_pipeline() -> Pipeline:
    """Return the stage `paper_reproduction`: `cases` to the comparison of the protocols and its report."""
    made = {"embeddings": "paper_embeddings", "training_log": "paper_training_log"}
    read = {f"{family}.{part}": f"paper_{family}_{part}" for family in ("clinical", "imaging") for part in _PARTS}
    drawn = ["paper_rows", "paper_images", *FILES, "paper_predictions", *_TABLES, "paper_training_log", "paper_judge"]
    shown = [*_TABLES, "paper_rows", "paper_plots", "cohort_plots", "cohort_audit"]
    report = [_PARAMETERS, "params:report", "params:evaluation", _STUDY]
    steps = [
        step(draw_audit, "cohort_audit", "cohort_plots"),
        step(study_rows, ["cases", _PARAMETERS, _STUDY], "paper_rows"),
        step(row_images, ["paper_rows", *FILES, _PARAMETERS, _STUDY], ["paper_images", "paper_descriptors"]),
        _reproduction("clinical", {}, {}),
        _reproduction("imaging", made, {}),
        _reproduction("fusion", {}, read | {"imaging.embeddings": "paper_embeddings"}),
        step(nodes.gather_predictions, [f"paper_{family}_predictions" for family in FAMILIES], "paper_predictions"),
        step(nodes.make_judge, ["paper_rows", "params:evaluation", _STUDY], "paper_judge"),
        step(comparison.compare_protocols, ["paper_predictions", "paper_judge", _PARAMETERS], "paper_comparison"),
        step(comparison.gain_by_shortcuts, ["paper_predictions", "paper_judge", _PARAMETERS], "paper_shortcuts"),
        step(comparison.luck_of_one_test_set, ["paper_predictions", _PARAMETERS], "paper_luck"),
        step(nodes.headline_metrics, "paper_comparison", "paper_metrics"),
        step(nodes.draw, [*drawn, _PARAMETERS], "paper_plots"),
        step(write_page, [*shown, *report], "paper_reproduction_report", name="write_report"),
    ]
    return Pipeline(steps, tags="paper_reproduction")


def _reproduction(family: str, made: dict[str, str], read: dict[str, str]) -> Node:
    """Return the node that evaluates a family's models; it makes other tables and reads those of other families."""
    outputs = {part: f"paper_{family}_{part}" for part in _PARTS} | made
    inputs = {name: f"paper_{name}" for name in ("rows", "images", "descriptors")}
    inputs |= {"parameters": _PARAMETERS, "tuning": "params:tuning", "study": _STUDY, **read}
    return Node(nodes.reproduce(family, *outputs), inputs, outputs, name=f"reproduce_{family}")
