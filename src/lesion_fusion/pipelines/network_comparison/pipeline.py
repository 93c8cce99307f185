"""The pipeline that compares networks and optimizers."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.models.combinations import FAMILY
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.network_comparison.nodes import draw_combinations, tabulate_combinations
from lesion_fusion.pipelines.stage import step

STAGE = "network_comparison"


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `network_comparison`: the combinations' entries as models, a table and plots of them.

    Without entries, where the parameters' group is null, nothing.
    """
    if not entries:
        return Pipeline([])
    parameters, models = f"params:{STAGE}", f"{FAMILY}_models"
    plots = [f"{STAGE}_plot", f"{STAGE}_curves_plot"]
    nodes = [
        step(tabulate_combinations, [parameters, models, f"{FAMILY}_metrics"], STAGE),
        step(draw_combinations, [parameters, STAGE, models], plots),
    ]
    return family_pipeline(FAMILY, STAGE, entries) + Pipeline(nodes, tags=STAGE)
