"""The registered pipelines: each name is the stage with all that it needs, so that it runs in a fresh clone."""

from __future__ import annotations

import warnings

from kedro.pipeline import Pipeline

from lesion_fusion.config.reading import configuration
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.pipelines.fusion.pipeline import create_pipeline as fusion
from lesion_fusion.pipelines.ingestion.pipeline import create_pipeline as ingestion
from lesion_fusion.pipelines.network_comparison.pipeline import create_pipeline as network_comparison
from lesion_fusion.pipelines.paper_reproduction.pipeline import create_pipeline as paper_reproduction
from lesion_fusion.pipelines.preprocessing.pipeline import create_pipeline as preprocessing
from lesion_fusion.pipelines.preprocessing.pipeline import under
from lesion_fusion.pipelines.pretraining.pipeline import create_pipeline as pretraining
from lesion_fusion.pipelines.pretraining.pipeline import outlines_pipeline as outlines
from lesion_fusion.pipelines.reporting.pipeline import create_pipeline as reporting
from lesion_fusion.pipelines.stage import as_stage


def register_pipelines() -> dict[str, Pipeline]:
    """Return the pipelines by name; `--tags <stage>` narrows any of them to the stage itself."""
    # A dataset that carries a model's name is read outside that model's namespace too.
    warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")
    configured = configuration()
    image_inputs = list(configured.preprocessing.image_inputs)
    ingested = as_stage("ingestion", ingestion(configured.audit))
    outline = configured.preprocessing.outline
    prepared = ingested + as_stage("preprocessing", preprocessing(image_inputs, outline))
    clinical = under(outline, family_pipeline("clinical", "clinical_models", configured.clinical))
    imaging = under(outline, family_pipeline("imaging", "imaging_models", configured.imaging))
    joined = prepared + clinical + imaging + under(outline, fusion(configured.fusion, configured.served_outline))
    everything = joined + under(outline, as_stage("reporting", reporting(image_inputs[0], outline)))
    pretrained = under(outline, pretraining(configured.pretraining)) + as_stage("pretraining", outlines(outline))
    reproduced = paper_reproduction(configured.paper_reproduction, outline)
    outlined = prepared.to_outputs("outlines") if "outlines" in reproduced.inputs() else ingested
    return {
        "ingestion": ingested,
        "preprocessing": prepared,
        "clinical_models": prepared + clinical,
        "imaging_models": prepared + imaging,
        "fusion": joined,
        "network_comparison": prepared + under(outline, network_comparison(configured.combinations)),
        "pretraining": prepared + pretrained,
        "reporting": everything,
        "paper_reproduction": ingested + outlined + as_stage("paper_reproduction", reproduced),
        "__default__": everything,
    }
