"""The pipeline of reporting: tables and plots over all models, a node per section, and the page of all sections."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Node, Pipeline

from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.pipelines.reporting import table_nodes as tables
from lesion_fusion.pipelines.reporting.explanation_nodes import draw_contributions, explain_best
from lesion_fusion.pipelines.reporting.plot_nodes import draw_audit, draw_examples, draw_report
from lesion_fusion.pipelines.stage import FILES, judge_of, judge_step, step
from lesion_fusion.reporting.sections import SECTIONS, Section, write_report
from lesion_fusion.reporting.standing import MODELS

_JUDGE = judge_of("reporting")
_JUDGED = (_JUDGE, "params:study")
_CASES = ("study_cases", "image_descriptors")
_READER = ["reader_comparison", "reader_operating_points"]


def create_pipeline(image_input: str, outline: Outline) -> Pipeline:
    """Return the stage `reporting`; examples of images are drawn as the image input of this name shows them.

    Where no network draws an `outline`, the page has no section of them.
    """
    found = ["leaderboard", "planned_comparisons", "promotion", "reader_operating_points"]
    parameters = ["params:comparisons", "params:evaluation", "params:study"]
    explained = ["study_cases", "params:explanation", "params:study"]
    examples = f"params:preprocessing.image_inputs.{image_input}"
    nodes = [
        judge_step("reporting"),
        step(draw_audit, "cohort_audit", "cohort_plots"),
        step(tables.tabulate_models, ["leaderboard", "params:evaluation"], "models_table"),
        step(tables.compare_families, ["leaderboard", _JUDGE, *MODELS], "family_comparisons"),
        step(tables.compare_with_reader, ["study_cases", *_JUDGED, *MODELS], _READER),
        step(tables.tabulate_subgroups, [*_CASES, "leaderboard", *_JUDGED, *MODELS], "subgroups"),
        step(tables.compare_in_subgroups, [*_CASES, "params:comparisons", *_JUDGED, *MODELS], "subgroup_differences"),
        step(tables.evaluate_missing_modality, ["fusion_models", _JUDGE], "missing_modality"),
        step(tables.tabulate_networks, ["imaging_models", "imaging_results"], "network_combinations"),
        step(explain_best, ["leaderboard", *explained, *MODELS], "shap_values"),
        step(draw_report, ["study_cases", *MODELS, *found, _JUDGE, *parameters], "report_plots"),
        step(draw_examples, ["study_cases", *FILES, examples, "params:study"], "example_plots"),
        step(draw_contributions, "shap_values", "shap_plots"),
        *_page([one for one in SECTIONS if one.name != "outlines" or outline.source != "drawn"]),
    ]
    return Pipeline(nodes, tags="reporting")


def _page(shown: Sequence[Section]) -> list[Node]:
    """Return a node per section and the node that joins them."""
    made = {f"report_sections.{section.name}": section for section in shown}
    sections = [step(one.write, one.datasets, dataset, name=f"write_{one.name}") for dataset, one in made.items()]
    joined = {"cases": "study_cases", "judge": _JUDGE, "report": "params:report", "study": "params:study"}
    joined |= {section.name: dataset for dataset, section in made.items()}
    return [*sections, step(write_report, joined, "report")]
