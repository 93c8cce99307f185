"""The pipeline of the published study's reproduction."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.paper_reproduction.figure_nodes import (
    FIGURES,
    draw_accuracies,
    draw_classes,
    draw_confusion_matrices,
    draw_copies,
    draw_luck,
    draw_masking,
    draw_roc_curves,
    draw_shortcuts,
    draw_training,
)
from lesion_fusion.pipelines.paper_reproduction.nodes import (
    compare,
    gather_predictions,
    gather_samples,
    headline_metrics,
    look_at_rows,
    make_rows,
    reproduce_clinical,
    reproduce_fusion,
    reproduce_imaging,
)
from lesion_fusion.pipelines.paper_reproduction.report_nodes import (
    gather_paper_figures,
    write_paper_report,
)

_PARAMETERS = "params:paper_reproduction"


def create_pipeline() -> Pipeline:
    """Return the stage `paper_reproduction`: `cases` to the comparison of the protocols and its report."""
    looked_at = ["paper_images", "paper_descriptors"]
    training = [_PARAMETERS, "params:tuning", "params:study"]
    predicted = ["predictions", "inner_predictions"]
    clinical, imaging, fusion = (
        [f"paper_{family}_{part}" for part in predicted] for family in ("clinical", "imaging", "fusion")
    )
    return Pipeline(
        [
            Node(
                make_rows,
                ["cases", _PARAMETERS, "params:study"],
                ["paper_rows", "paper_rows_permuted"],
                name="make_rows",
            ),
            *(
                Node(
                    look_at_rows,
                    [f"paper_rows{which}", "raw_images", "raw_masks", _PARAMETERS, "params:study"],
                    [f"{name}{which}" for name in looked_at],
                    name=f"look_at_rows{which}",
                )
                for which in ("", "_permuted")
            ),
            Node(
                gather_samples,
                [f"{name}{which}" for which in ("", "_permuted") for name in ("paper_rows", *looked_at)],
                "paper_samples",
                name="gather_samples",
            ),
            Node(reproduce_clinical, ["paper_samples", *training], clinical, name="reproduce_clinical"),
            Node(
                reproduce_imaging,
                ["paper_samples", *training],
                [*imaging, "paper_embeddings", "paper_training_log"],
                name="reproduce_imaging",
            ),
            Node(
                reproduce_fusion,
                ["paper_samples", *clinical, *imaging, "paper_embeddings", *training],
                fusion,
                name="reproduce_fusion",
            ),
            Node(
                gather_predictions, [clinical[0], imaging[0], fusion[0]], "paper_predictions", name="gather_predictions"
            ),
            Node(
                compare,
                [
                    "paper_predictions",
                    "paper_rows",
                    "paper_rows_permuted",
                    _PARAMETERS,
                    "params:evaluation",
                    "params:study",
                ],
                ["paper_comparison", "paper_shortcuts", "paper_luck"],
                name="compare",
            ),
            Node(headline_metrics, "paper_comparison", "paper_metrics", name="headline_metrics"),
            Node(draw_classes, "paper_rows", "paper_classes", name="draw_classes"),
            Node(
                draw_masking,
                ["paper_rows", "raw_images", "raw_masks", _PARAMETERS, "params:study"],
                "paper_masking",
                name="draw_masking",
            ),
            Node(draw_copies, ["paper_rows", "paper_images"], "paper_copies", name="draw_copies"),
            Node(draw_accuracies, "paper_comparison", "paper_accuracies", name="draw_accuracies"),
            Node(draw_shortcuts, "paper_shortcuts", "paper_shortcuts_figure", name="draw_shortcuts"),
            Node(draw_luck, ["paper_luck", "paper_comparison"], "paper_luck_figure", name="draw_luck"),
            *(
                Node(
                    draw,
                    [
                        "paper_predictions",
                        "paper_comparison",
                        "paper_rows",
                        _PARAMETERS,
                        "params:evaluation",
                        "params:study",
                    ],
                    drawn,
                    name=draw.__name__,
                )
                for draw, drawn in (
                    (
                        draw_confusion_matrices,
                        ["paper_confusion_matrices", "paper_confusion_matrices_leak_free"],
                    ),
                    (draw_roc_curves, "paper_roc_curves"),
                )
            ),
            Node(draw_training, ["paper_training_log", _PARAMETERS], "paper_training", name="draw_training"),
            Node(gather_paper_figures, ["cohort_plots", *FIGURES], "paper_figures", name="gather_figures"),
            Node(
                write_paper_report,
                [
                    "paper_comparison",
                    "paper_shortcuts",
                    "paper_luck",
                    "paper_rows",
                    "paper_figures",
                    "cohort_digest",
                    _PARAMETERS,
                    "params:report",
                    "params:evaluation",
                    "params:study",
                ],
                "paper_reproduction_report",
                name="write_report",
            ),
        ],
        tags="paper_reproduction",
    )
