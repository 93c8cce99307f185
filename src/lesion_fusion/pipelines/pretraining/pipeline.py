"""The pipeline of pretraining."""

from __future__ import annotations

from collections.abc import Mapping

from kedro.pipeline import Node, Pipeline

from lesion_fusion.pipelines.model.naming import ModelName, for_model
from lesion_fusion.pipelines.model.pipeline import judged_model
from lesion_fusion.pipelines.pretraining.nodes import (
    Pretraining,
    describe_backbone,
    find_evaluation_copies,
    pretrain_network,
)

STAGE = "pretraining"


def create_pipeline(entries: Mapping[str, Pretraining]) -> Pipeline:
    """Return the stage `pretraining`: an average of networks a parameter entry, judged and registered."""
    copies = Node(
        find_evaluation_copies, ["study_cases", "cohort_audit"], "evaluation_copies", name="find_evaluation_copies"
    )
    return sum(
        (_backbone(ModelName(STAGE, name), entry.image_input) for name, entry in entries.items()),
        Pipeline([copies], tags=STAGE),
    )


def _backbone(model: ModelName, image_input: str) -> Pipeline:
    images, of_images = f"lesion_images.{image_input}", f"params:preprocessing.image_inputs.{image_input}"
    train = Node(
        for_model(pretrain_network, model),
        [images, "study_cases", "evaluation_copies", "params:model", of_images, "params:study", "finished_folds"],
        ["predictions", "training_log", "model"],
        name="train",
    )
    register = Node(
        describe_backbone,
        [
            f"{model.full}.model",
            f"{model.full}.metrics",
            f"{model.full}.training_log",
            "evaluation_copies",
            "cohort_audit",
            "study_tags",
        ],
        f"registered_backbone.{model.name}",
        name=f"{model.full}.register",
        tags=STAGE,
    )
    judged = judged_model(model, STAGE, train, outside={images, "evaluation_copies"}, parameters={of_images})
    return judged + Pipeline([register])
