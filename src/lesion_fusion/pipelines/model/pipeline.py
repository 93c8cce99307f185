"""The modular pipeline of one model: train out of fold, judge, track. One function a kind of model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from kedro.pipeline import Node, Pipeline

from lesion_fusion.fusion.late import LateFusion
from lesion_fusion.imaging.parameters import NetworkParameters, registered_backbone, weights_label
from lesion_fusion.parameters import ModelParameters
from lesion_fusion.pipelines.model.attention_nodes import gather_network_run
from lesion_fusion.pipelines.model.evaluation_nodes import draw_figures, draw_importance, gather_run, summarise
from lesion_fusion.pipelines.model.joint_nodes import JointModel, train_joint
from lesion_fusion.pipelines.model.late_nodes import fuse_late
from lesion_fusion.pipelines.model.naming import ModelName, for_backbone, for_model
from lesion_fusion.pipelines.model.network_nodes import (
    NetworkModel,
    compute_backbone_features,
    compute_backbone_maps,
    train_head,
    train_network,
)
from lesion_fusion.pipelines.model.shown_network import SHOWN_OF_NETWORK, showing_nodes
from lesion_fusion.pipelines.model.tabular_nodes import (
    train_on_embeddings,
    train_on_pixels,
    train_pooled,
    train_tabular,
)
from lesion_fusion.pipelines.model.transferred_nodes import TransferredModel, transfer
from lesion_fusion.tabular.parameters import TabularModel

# What every kind of model hands on; a network hands on its embeddings too, a classifier what its columns are worth.
TRAINED = ["predictions", "inner_predictions", "training_log", "model"]
CLASSIFIER_TRAINED = [*TRAINED, "permutation_importance"]

_STUDY = {"params:study", "params:tuning", "params:evaluation", "params:serving"}
_SHARED = {"study_cases", "folds", "image_descriptors", "study_tags"}


def tabular_model(model: ModelName, stage: str, searched: bool) -> Pipeline:
    """Return the pipeline of a classifier over record and image descriptors; `searched`: its search keeps studies."""
    inputs = ["study_cases", "folds", "image_descriptors", "params:model", "params:tuning", "params:study"]
    inputs += _studies(searched)
    return judged_model(model, stage, Node(for_model(train_tabular, model), inputs, CLASSIFIER_TRAINED, name="train"))


def pooled_model(model: ModelName, stage: str, cohort: str, searched: bool) -> Pipeline:
    """Return the pipeline of a classifier over image descriptors that also learns from the cohort called `cohort`."""
    others = [f"pooled.{cohort}.{name}" for name in ("study_cases", "image_descriptors", "evaluation_copies")]
    inputs = ["study_cases", "folds", "image_descriptors", *others, "params:model", "params:tuning", "params:study"]
    inputs += _studies(searched)
    train = Node(for_model(train_pooled, model), inputs, CLASSIFIER_TRAINED, name="train")
    return judged_model(model, stage, train, outside=set(others))


def embedding_model(model: ModelName, stage: str, network: str, searched: bool) -> Pipeline:
    """Return the pipeline of a classifier that also reads the embeddings of the model called `network`."""
    inputs = [
        "study_cases",
        "folds",
        "image_descriptors",
        f"{network}.embeddings",
        f"{network}.model",
        "params:model",
        "params:tuning",
        "params:study",
        *_studies(searched),
    ]
    train = Node(for_model(train_on_embeddings, model), inputs, CLASSIFIER_TRAINED, name="train")
    return judged_model(model, stage, train, outside={f"{network}.embeddings", f"{network}.model"})


def pixel_model(model: ModelName, stage: str, image_input: str, searched: bool) -> Pipeline:
    """Return the pipeline of a classifier that also reads the pixels of the lesion images called `image_input`."""
    images, of_images = f"lesion_images.{image_input}", f"params:preprocessing.image_inputs.{image_input}"
    inputs = [
        "study_cases",
        "folds",
        "image_descriptors",
        images,
        of_images,
        "params:model",
        "params:tuning",
        "params:study",
        *_studies(searched),
    ]
    train = Node(for_model(train_on_pixels, model), inputs, CLASSIFIER_TRAINED, name="train")
    return judged_model(model, stage, train, outside={images}, parameters={of_images})


def network_model(model: ModelName, stage: str, image_input: str, network: NetworkParameters) -> Pipeline:
    """Return the pipeline of a network over the lesion images called `image_input`."""
    images, of_images = f"lesion_images.{image_input}", f"params:preprocessing.image_inputs.{image_input}"
    named = registered_backbone(network.weights)
    registered = [] if named is None else [f"registered_backbone.{named}"]
    inputs = [
        images,
        "study_cases",
        "folds",
        "params:model",
        "params:tuning",
        of_images,
        "params:study",
        "finished_folds",
        *registered,
    ]
    outputs = ["predictions", "inner_predictions", "training_log", "embeddings", "model", "class_maps"]
    outside = {images, f"lesion_masks.{image_input}", "raw_images", "raw_masks", *registered}
    if network.regime == "frozen":
        assert network.weights is not None
        name = f"{network.backbone}_{weights_label(network.weights)}_{image_input}"
        computed = {
            f"backbone_features.{name}": compute_backbone_features,
            f"backbone_maps.{name}": compute_backbone_maps,
        }
        before = Pipeline(
            [
                Node(
                    for_backbone(compute, network.backbone, network.weights),
                    [images, *registered],
                    dataset,
                    name=dataset,
                )
                for dataset, compute in computed.items()
            ],
            tags=stage,
        )
        train = Node(for_model(train_head, model), [*computed, *inputs], outputs, name="train")
        outside |= set(computed)
    else:
        before = Pipeline([])
        train = Node(for_model(train_network, model), inputs, outputs, name="train")
    shown = showing_nodes(model, image_input)
    return before + judged_model(model, stage, train, outside=outside, parameters={of_images}, shown=shown)


def joint_model(model: ModelName, stage: str, image_input: str, network: NetworkParameters) -> Pipeline:
    """Return the pipeline of a network over the record and the lesion images called `image_input`."""
    images, of_images = f"lesion_images.{image_input}", f"params:preprocessing.image_inputs.{image_input}"
    named = registered_backbone(network.weights)
    registered = [] if named is None else [f"registered_backbone.{named}"]
    inputs = [
        images,
        "study_cases",
        "folds",
        "params:model",
        "params:tuning",
        of_images,
        "params:study",
        "finished_folds",
        *registered,
    ]
    outputs = ["predictions", "inner_predictions", "training_log", "embeddings", "model"]
    train = Node(for_model(train_joint, model), inputs, outputs, name="train")
    return judged_model(model, stage, train, outside={images, *registered}, parameters={of_images})


def late_model(model: ModelName, stage: str, members: Sequence[str]) -> Pipeline:
    """Return the pipeline of a late fusion of the models called `members`."""
    of_members = [f"{name}.{part}" for name in members for part in ("predictions", "inner_predictions", "model")]
    inputs = ["study_cases", "params:model", "params:tuning", "params:study", *of_members]
    outputs = ["predictions", "inner_predictions", "training_log", "reduced_predictions", "model"]
    train = Node(for_model(fuse_late, model), inputs, outputs, name="train")
    return judged_model(model, stage, train, outside=set(of_members))


def transferred_model(model: ModelName, stage: str, source: str, image_inputs: Sequence[str]) -> Pipeline:
    """Return the pipeline of the model of another cohort called `source`, `<cohort>.<family>.<model>`."""
    pairs = [(f"params:preprocessing.image_inputs.{name}", f"lesion_images.{name}") for name in image_inputs]
    inputs = ["study_cases", "folds", "image_descriptors", f"transferred.{source}"]
    inputs += ["params:model", "params:tuning", "params:study", *(name for pair in pairs for name in pair)]
    train = Node(for_model(transfer, model), inputs, TRAINED, name="transfer")
    images = {images for _, images in pairs}
    return judged_model(
        model, stage, train, {f"transferred.{source}", *images}, {parameters for parameters, _ in pairs}
    )


def model_pipeline(model: ModelName, stage: str, parameters: ModelParameters) -> Pipeline:
    """Return the pipeline of a model by its parameters: members, a model to transfer, a network or a classifier."""
    if isinstance(parameters, LateFusion):
        return late_model(model, stage, parameters.members)
    if isinstance(parameters, TransferredModel):
        return transferred_model(model, stage, parameters.transferred, parameters.image_inputs)
    if isinstance(parameters, NetworkModel):
        of_kind = joint_model if isinstance(parameters, JointModel) else network_model
        return of_kind(model, stage, parameters.image_input, parameters.network)
    assert isinstance(parameters, TabularModel)
    searched = parameters.search is not None
    if parameters.pooled_with is not None:
        return pooled_model(model, stage, parameters.pooled_with, searched)
    if parameters.image_input is not None:
        return pixel_model(model, stage, parameters.image_input, searched)
    if parameters.network is not None:
        return embedding_model(model, stage, parameters.network, searched)
    return tabular_model(model, stage, searched)


def family_pipeline(family: str, stage: str, models: Mapping[str, ModelParameters]) -> Pipeline:
    """Return the pipelines of a family: one namespace a model, from its parameters."""
    return sum(
        (model_pipeline(ModelName(family, name), stage, parameters) for name, parameters in models.items()),
        Pipeline([]),
    )


def _studies(searched: bool) -> list[str]:
    return ["studies"] if searched else []


def judged_model(
    model: ModelName,
    stage: str,
    train: Node,
    outside: Set[str] = frozenset(),
    parameters: Set[str] = frozenset(),
    shown: Sequence[Node] = (),
) -> Pipeline:
    """Return `train`, the nodes that judge it and the one that gathers its run, in the model's namespace.

    `outside` are datasets and `parameters` parameters of other namespaces that `train` and `shown` read; `shown` are
    the nodes that show a network.
    """
    judged = ["predictions", "study_cases", "params:evaluation", "params:study"]
    explained = "permutation_importance" in train.outputs
    nodes = [
        train,
        *shown,
        Node(summarise, judged, "metrics", name="summarise"),
        Node(
            for_model(draw_figures, model),
            judged,
            ["roc_curve", "calibration_curve", "confusion_matrix"],
            name="draw_figures",
        ),
        Node(
            for_model(gather_network_run if shown else gather_run, model),
            [
                "predictions",
                "training_log",
                "metrics",
                "roc_curve",
                "calibration_curve",
                "confusion_matrix",
                "model",
                "params:model",
                "study_tags",
                "study_cases",
                "image_descriptors",
                "params:serving",
                *(["permutation_importance", "permutation_importance_figure"] if explained else []),
                *(SHOWN_OF_NETWORK if shown else []),
            ],
            "tracked_run",
            name="gather_run",
        ),
    ]
    if explained:
        nodes.append(
            Node(
                for_model(draw_importance, model),
                ["permutation_importance", "params:evaluation", "params:study"],
                "permutation_importance_figure",
                name="draw_importance",
            )
        )
    used = set().union(*(node.inputs for node in nodes))
    return Pipeline(
        nodes,
        namespace=model.full,
        inputs={name: name for name in (_SHARED | outside) & used},
        parameters={"params:model": f"params:{model.full}"} | {name: name for name in (_STUDY | parameters) & used},
        tags=stage,
    )
