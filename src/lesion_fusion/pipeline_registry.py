"""The registered pipelines: each name is the stage with all that it needs, so that it runs in a fresh clone."""

from __future__ import annotations

import warnings

from kedro.pipeline import Pipeline

from lesion_fusion.pipelines.clinical_models.pipeline import create_pipeline as clinical_models
from lesion_fusion.pipelines.configured_models import (
    check_baseline,
    check_explained,
    compared_models,
    configured_backbones,
    configured_combinations,
    configured_image_inputs,
    configured_models,
    must_beat,
)
from lesion_fusion.pipelines.configured_parameters import configured_parameters
from lesion_fusion.pipelines.fusion.pipeline import create_pipeline as fusion
from lesion_fusion.pipelines.imaging_models.pipeline import create_pipeline as imaging_models
from lesion_fusion.pipelines.ingestion.pipeline import create_pipeline as ingestion
from lesion_fusion.pipelines.network_comparison.pipeline import create_pipeline as network_comparison
from lesion_fusion.pipelines.paper_reproduction.pipeline import create_pipeline as paper_reproduction
from lesion_fusion.pipelines.preprocessing.pipeline import create_pipeline as preprocessing
from lesion_fusion.pipelines.pretraining.pipeline import create_pipeline as pretraining
from lesion_fusion.pipelines.reporting.pipeline import create_pipeline as reporting
from lesion_fusion.pipelines.stage import as_stage
from lesion_fusion.tabular.parameters import TabularModel


def register_pipelines() -> dict[str, Pipeline]:
    """Return the pipelines by name; `--tags <stage>` narrows any of them to the stage itself."""
    # Nodes outside a model's namespace read what models hand on, and that carries the model's name.
    warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")
    parameters = configured_parameters()
    models = configured_models(parameters)
    every = {f"{family}.{name}": entry for family, entries in models.items() for name, entry in entries.items()}
    names = [name for name, entry in every.items() if not entry.ablation]
    classifiers = {name: entry for name in names if isinstance(entry := every[name], TabularModel)}
    check_baseline(parameters, names)
    check_explained(parameters, classifiers)
    compared = compared_models(parameters, list(every))
    ingested = as_stage("ingestion", ingestion())
    prepared = ingested + as_stage("preprocessing", preprocessing(configured_image_inputs(parameters)))
    clinical = clinical_models(models["clinical"])
    imaging = imaging_models(models["imaging"])
    joined = prepared + clinical + imaging + fusion(models["fusion"], names, must_beat(models), compared)
    trained = [name for name in names if f"{name}.gallery" in joined.all_outputs()]
    shown = configured_image_inputs(parameters)[0]
    everything = joined + as_stage("reporting", reporting(names, classifiers, trained, compared, shown))
    return {
        "ingestion": ingested,
        "preprocessing": prepared,
        "clinical_models": prepared + clinical,
        "imaging_models": prepared + imaging,
        "fusion": joined,
        "network_comparison": prepared + network_comparison(configured_combinations(parameters)),
        "pretraining": prepared + pretraining(configured_backbones(parameters)),
        "reporting": everything,
        "paper_reproduction": ingested + as_stage("paper_reproduction", paper_reproduction()),
        "__default__": everything,
    }
