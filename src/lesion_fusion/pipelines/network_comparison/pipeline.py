"""The pipeline that compares networks and optimizers."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.network_comparison.combinations import FAMILY
from lesion_fusion.pipelines.network_comparison.nodes import draw_combinations, tabulate_combinations

STAGE = "network_comparison"


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `network_comparison`: the combinations' entries as models, a table and plots of them.

    Without entries, where the parameters' group is null, nothing.
    """
    if not entries:
        return Pipeline([])
    models, metrics = f"{FAMILY}_models", f"{FAMILY}_metrics"
    side_by_side = [
        Node(
            tabulate_combinations,
            ["params:network_comparison", models, metrics],
            "network_comparison",
            name="tabulate_combinations",
        ),
        Node(
            draw_combinations,
            ["params:network_comparison", "network_comparison", models],
            ["network_comparison_plot", "network_comparison_curves_plot"],
            name="draw_combinations",
        ),
    ]
    return family_pipeline(FAMILY, STAGE, entries) + Pipeline(side_by_side, tags=STAGE)
