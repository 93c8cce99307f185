"""The pipeline that compares networks and optimizers."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.pipeline import family_pipeline
from lesion_fusion.pipelines.network_comparison.combinations import FAMILY
from lesion_fusion.pipelines.network_comparison.nodes import draw_combinations, tabulate_combinations

STAGE = "network_comparison"


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `network_comparison`: the combinations' entries as models, a table and figures of them.

    Without entries, where the parameters' group is null, nothing.
    """
    if not entries:
        return Pipeline([])
    logs = [f"{FAMILY}.{name}.training_log" for name in entries]
    side_by_side = Pipeline(
        [
            Node(
                tabulate_combinations,
                ["params:network_comparison", *(f"{FAMILY}.{name}.metrics" for name in entries), *logs],
                "network_comparison",
                name="tabulate_combinations",
            ),
            Node(
                draw_combinations,
                ["params:network_comparison", "network_comparison", *logs],
                ["network_comparison_figure", "network_comparison_curves"],
                name="draw_combinations",
            ),
        ],
        tags=STAGE,
    )
    return family_pipeline(FAMILY, STAGE, entries) + side_by_side
