"""The pipeline of the clinical models."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Pipeline

from lesion_fusion.models.base import ModelParameters
from lesion_fusion.pipelines.family.pipeline import family_pipeline


def create_pipeline(entries: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the stage `clinical_models`, from the entries under `clinical` in the parameters."""
    return family_pipeline("clinical", "clinical_models", entries)
