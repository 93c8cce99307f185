"""The pipeline of the imaging models."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.pipeline import family_pipeline


def create_pipeline(models: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `imaging_models`, from the entries under `imaging` in the parameters."""
    return family_pipeline("imaging", "imaging_models", models)
