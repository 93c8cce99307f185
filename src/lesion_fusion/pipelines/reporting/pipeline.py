"""The pipeline of reporting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.reporting.comparison_nodes import compare_in_subgroups, draw_comparisons
from lesion_fusion.pipelines.reporting.explanation_nodes import (
    draw_contributions,
    explain_best,
    lay_out_contributions,
)
from lesion_fusion.pipelines.reporting.figure_nodes import (
    draw_calibration_curves,
    draw_class_distribution,
    draw_decision_curves,
    draw_leaderboard,
    draw_risk_distributions,
    draw_roc_curves,
    lay_out_confusion_matrices,
)
from lesion_fusion.pipelines.reporting.network_nodes import (
    draw_augmentation,
    draw_image_inputs,
    gather_networks,
    tabulate_networks,
)
from lesion_fusion.pipelines.reporting.nodes import (
    FIGURES,
    OF_MODEL,
    compare_families,
    describe_participants,
    gather_figures,
    gather_importances,
    gather_results,
    tabulate_families,
    write_report,
)
from lesion_fusion.pipelines.reporting.reader_nodes import (
    compare_with_reader,
    draw_against_reader,
    look_at_subgroups,
)
from lesion_fusion.tabular.parameters import TabularModel

# What shows a network in the report, and the dataset it is.
PARTS_OF_NETWORK = {
    "training_curves": "training_curves",
    "attention": "attention_figure",
    "gallery": "gallery",
    "attention_by_class": "attention_by_class",
}


def create_pipeline(
    all_models: Sequence[str],
    classifiers: Mapping[str, TabularModel],
    networks: Sequence[str],
    compared: Sequence[str],
    image_input: str,
) -> Pipeline:
    """Return the stage `reporting`.

    `all_models` are the full names of the candidates of all families, `classifiers` those of them over a feature table,
    with their parameters, `networks` those that were trained, `compared` the models of the planned
    comparisons, `image_input` the image input that examples are drawn of.
    """
    of_models = [name for model in all_models for name in _of_model(model)]
    families = list(dict.fromkeys(name.partition(".")[0] for name in all_models))
    board = ["leaderboard", "params:evaluation"]
    of_images = f"params:preprocessing.image_inputs.{image_input}"
    examples = ["study_cases", "raw_images", "raw_masks", of_images, "params:study"]
    judged = ["model_results", "study_cases", *board, "params:study"]
    return Pipeline(
        [
            Node(gather_results, of_models, "model_results", name="gather_results"),
            Node(
                describe_participants,
                ["cases", "excluded_cases", "study_cases", "folds", "params:study"],
                "participants",
                name="describe_participants",
            ),
            Node(
                draw_class_distribution,
                ["study_cases", "params:study"],
                "class_distribution",
                name="draw_class_distribution",
            ),
            Node(draw_leaderboard, board, "leaderboard_figure", name="draw_leaderboard"),
            Node(draw_roc_curves, judged, "roc_curves", name="draw_roc_curves"),
            Node(draw_calibration_curves, judged, "calibration_curves", name="draw_calibration_curves"),
            Node(draw_decision_curves, judged, "decision_curves", name="draw_decision_curves"),
            Node(
                lay_out_confusion_matrices,
                ["model_results", *board],
                "confusion_matrices",
                name="lay_out_confusion_matrices",
            ),
            Node(
                draw_risk_distributions,
                ["model_results", "study_cases", "promotion", "params:evaluation", "params:study"],
                "risk_distributions",
                name="draw_risk_distributions",
            ),
            Node(
                tabulate_families,
                board,
                {family: f"{family}_models_table" for family in families},
                name="tabulate_families",
            ),
            Node(compare_families, judged, "family_comparisons", name="compare_families"),
            Node(
                compare_with_reader,
                ["model_results", "study_cases", "params:evaluation", "params:study"],
                ["reader_comparison", "reader_operating_points"],
                name="compare_with_reader",
            ),
            Node(
                draw_against_reader,
                ["model_results", "study_cases", "reader_operating_points", *board, "params:study"],
                "roc_against_reader",
                name="draw_against_reader",
            ),
            Node(
                look_at_subgroups,
                ["model_results", "study_cases", "image_descriptors", *board, "params:study"],
                "subgroups",
                name="look_at_subgroups",
            ),
            Node(
                draw_comparisons,
                ["planned_comparisons", "params:comparisons"],
                "comparison_figure",
                name="draw_comparisons",
            ),
            Node(
                compare_in_subgroups,
                [
                    "study_cases",
                    "image_descriptors",
                    "params:comparisons",
                    "params:evaluation",
                    "params:study",
                    *(f"{name}.predictions" for name in compared),
                ],
                "subgroup_differences",
                name="compare_in_subgroups",
            ),
            Node(gather_figures, list(FIGURES), "report_figures", name="gather_figures"),
            Node(
                gather_importances,
                {name: f"{name}.permutation_importance_figure" for name in classifiers},
                "importance_figures",
                name="gather_importances",
            ),
            Node(
                gather_networks,
                {
                    f"{name}/{part}": f"{name}.{dataset}"
                    for name in networks
                    for part, dataset in PARTS_OF_NETWORK.items()
                },
                "network_pictures",
                name="gather_networks",
            ),
            Node(tabulate_networks, "model_results", "network_combinations", name="tabulate_networks"),
            Node(draw_image_inputs, examples, "image_input_examples", name="draw_image_inputs"),
            Node(draw_augmentation, examples, "augmentation_examples", name="draw_augmentation"),
            Node(
                explain_best,
                {
                    "leaderboard": "leaderboard",
                    "cases": "study_cases",
                    "image_descriptors": "image_descriptors",
                    "explanation": "params:explanation",
                    "study": "params:study",
                    **{
                        name: dataset
                        for model, entry in classifiers.items()
                        for name, dataset in _to_explain(model, entry)
                    },
                },
                "shap_values",
                name="explain_best",
            ),
            Node(draw_contributions, "shap_values", "shap_summaries", name="draw_contributions"),
            Node(lay_out_contributions, "shap_summaries", "shap_summary", name="lay_out_contributions"),
            Node(
                write_report,
                [
                    "model_results",
                    "report_figures",
                    "importance_figures",
                    "shap_values",
                    "shap_summaries",
                    "network_pictures",
                    "network_combinations",
                    "participants",
                    "cohort_audit",
                    "leaderboard",
                    "family_comparisons",
                    "reader_comparison",
                    "reader_operating_points",
                    "subgroups",
                    "planned_comparisons",
                    "subgroup_differences",
                    "candidates",
                    "missing_modality",
                    "promotion",
                    "study_tags",
                    "params:report",
                    "params:study",
                    "params:tuning",
                    "params:evaluation",
                    "params:comparisons",
                ],
                "report",
                name="write_report",
            ),
        ],
        tags="reporting",
    )


def _of_model(model: str) -> list[str]:
    """Return what `gather_results` reads of a model."""
    return [f"params:{model}", *(f"{model}.{part}" for part in OF_MODEL)]


def _to_explain(model: str, entry: TabularModel) -> Iterator[tuple[str, str]]:
    """Yield what `explain_best` reads of a classifier, the name it knows it by and the dataset."""
    yield f"{model}.model", f"{model}.model"
    if "embeddings" in entry.views:
        yield f"{model}.embeddings", f"{entry.network}.embeddings"
    if "pixels" in entry.views:
        yield f"{model}.lesion_images", f"lesion_images.{entry.image_input}"
