"""The pipeline of the published study's reproduction."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.paper_reproduction.nodes import (
    compare,
    draw,
    gather_predictions,
    headline_metrics,
    make_judge,
    make_rows,
    prepare_images,
    reproduce,
)
from lesion_fusion.published_study.page import write_page

_PARAMETERS = "params:paper_reproduction"
_TABLES = ["paper_comparison", "paper_shortcuts", "paper_luck"]


def create_pipeline() -> Pipeline:
    """Return the stage `paper_reproduction`: `cases` to the comparison of the protocols and its report."""
    files = ["raw_images", "raw_masks"]
    study = ["params:evaluation", "params:study"]
    return Pipeline(
        [
            Node(make_rows, ["cases", _PARAMETERS, "params:study"], "paper_rows", name="make_rows"),
            Node(
                prepare_images,
                ["paper_rows", *files, _PARAMETERS, "params:study"],
                ["paper_images", "paper_descriptors"],
                name="prepare_images",
            ),
            _reproduction("clinical"),
            _reproduction("imaging", made={"embeddings": "paper_embeddings", "training_log": "paper_training_log"}),
            _reproduction(
                "fusion",
                read={
                    **_predictions("clinical", "clinical."),
                    **_predictions("imaging", "imaging."),
                    "imaging.embeddings": "paper_embeddings",
                },
            ),
            Node(
                gather_predictions,
                [f"paper_{family}_predictions" for family in ("clinical", "imaging", "fusion")],
                "paper_predictions",
                name="gather_predictions",
            ),
            Node(make_judge, ["paper_rows", *study], "paper_judge", name="make_judge"),
            Node(compare, ["paper_predictions", "paper_judge", _PARAMETERS], _TABLES, name="compare"),
            Node(headline_metrics, "paper_comparison", "paper_metrics", name="headline_metrics"),
            Node(
                draw,
                [
                    *("paper_rows", "paper_images", *files, "paper_predictions", *_TABLES, "paper_training_log"),
                    *("paper_judge", _PARAMETERS),
                ],
                "paper_plots",
                name="draw",
            ),
            Node(
                write_page,
                [
                    *(*_TABLES, "paper_rows", "paper_plots", "cohort_plots", "cohort_digest"),
                    *(_PARAMETERS, "params:report", *study),
                ],
                "paper_reproduction_report",
                name="write_report",
            ),
        ],
        tags="paper_reproduction",
    )


def _reproduction(family: str, made: dict[str, str] | None = None, read: dict[str, str] | None = None) -> Node:
    """Return the node that evaluates a family's models; it makes other tables and reads those of other families."""
    outputs = {**_predictions(family), **(made or {})}
    inputs = {name: f"paper_{name}" for name in ("rows", "images", "descriptors")}
    inputs |= {"parameters": _PARAMETERS, "tuning": "params:tuning", "study": "params:study", **(read or {})}
    return Node(reproduce(family, *outputs), inputs, outputs, name=f"reproduce_{family}")


def _predictions(family: str, prefix: str = "") -> dict[str, str]:
    parts = ("predictions", "inner_predictions")
    return {f"{prefix}{part}": f"paper_{family}_{part}" for part in parts}
