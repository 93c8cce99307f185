"""The pipeline of reporting: tables and plots over all models, a node per section, and the page of all sections."""

from __future__ import annotations

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.reporting.explanation_nodes import draw_contributions, explain_best
from lesion_fusion.pipelines.reporting.page_nodes import write_report
from lesion_fusion.pipelines.reporting.plot_nodes import draw_examples, draw_report
from lesion_fusion.pipelines.reporting.table_nodes import (
    compare_families,
    compare_in_subgroups,
    compare_with_reader,
    tabulate_models,
    tabulate_networks,
    tabulate_subgroups,
)
from lesion_fusion.reporting.sections import SECTIONS

MODELS = ["clinical_models", "imaging_models", "fusion_models"]
PLOTS = ["clinical_plots", "imaging_plots", "fusion_plots"]
CASES = ["study_cases", "image_descriptors"]


def create_pipeline(image_input: str) -> Pipeline:
    """Return the stage `reporting`; examples of images are drawn as the image input of this name shows them."""
    return Pipeline([*_tables(), *_plots(image_input), *_pages()], tags="reporting")


def _tables() -> list[Node]:
    return [
        Node(tabulate_models, ["leaderboard", "params:evaluation"], "models_table", name="tabulate_models"),
        Node(compare_families, [*MODELS, "leaderboard", "judge"], "family_comparisons", name="compare_families"),
        Node(
            compare_with_reader,
            [*MODELS, "study_cases", "judge", "params:study"],
            ["reader_comparison", "reader_operating_points"],
            name="compare_with_reader",
        ),
        Node(
            tabulate_subgroups,
            [*MODELS, *CASES, "leaderboard", "judge", "params:study"],
            "subgroups",
            name="tabulate_subgroups",
        ),
        Node(
            compare_in_subgroups,
            [*MODELS, *CASES, "params:comparisons", "judge", "params:study"],
            "subgroup_differences",
            name="compare_in_subgroups",
        ),
        Node(
            tabulate_networks, ["imaging_models", "imaging_metrics"], "network_combinations", name="tabulate_networks"
        ),
        Node(
            explain_best,
            [*MODELS, "leaderboard", "study_cases", "params:explanation", "params:study"],
            "shap_values",
            name="explain_best",
        ),
    ]


def _plots(image_input: str) -> list[Node]:
    return [
        Node(
            draw_report,
            [
                "study_cases",
                *MODELS,
                *PLOTS,
                "leaderboard",
                "planned_comparisons",
                "promotion",
                "reader_operating_points",
                "judge",
                "params:comparisons",
                "params:evaluation",
                "params:study",
            ],
            "report_plots",
            name="draw_report",
        ),
        Node(
            draw_examples,
            [
                "study_cases",
                "raw_images",
                "raw_masks",
                f"params:preprocessing.image_inputs.{image_input}",
                "params:study",
            ],
            "example_plots",
            name="draw_examples",
        ),
        Node(draw_contributions, "shap_values", "shap_plots", name="draw_contributions"),
    ]


def _pages() -> list[Node]:
    sections = [
        Node(section.write, list(section.datasets), f"report_sections.{section.name}", name=f"write_{section.name}")
        for section in SECTIONS
    ]
    joined = Node(
        write_report,
        [
            "study_cases",
            "study_tags",
            "params:report",
            "params:study",
            *(f"report_sections.{section.name}" for section in SECTIONS),
        ],
        "report",
        name="write_report",
    )
    return [*sections, joined]
