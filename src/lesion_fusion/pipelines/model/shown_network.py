"""The nodes that show a network, beside those that judge every model."""

from __future__ import annotations

from kedro.pipeline import Node

from lesion_fusion.pipelines.model.attention_nodes import (
    draw_attention,
    draw_gallery,
    draw_training_curves,
    look_at_attention,
    summarise_attention,
)
from lesion_fusion.pipelines.model.naming import ModelName, for_model

# What a network's run shows beyond that of any model, in the order of `gather_network_run`.
SHOWN_OF_NETWORK = ["attention", "attention_by_class", "attention_figure", "training_curves", "gallery"]


def showing_nodes(model: ModelName, image_input: str) -> list[Node]:
    """Return the nodes that make `SHOWN_OF_NETWORK` of a network over the lesion images called `image_input`."""
    return [
        Node(
            look_at_attention,
            ["predictions", "class_maps", f"lesion_masks.{image_input}", "study_cases"],
            "attention",
            name="look_at_attention",
        ),
        Node(
            summarise_attention,
            ["attention", "study_cases", "params:evaluation", "params:study"],
            "attention_by_class",
            name="summarise_attention",
        ),
        Node(
            for_model(draw_attention, model),
            ["attention", "attention_by_class", "params:study"],
            "attention_figure",
            name="draw_attention",
        ),
        Node(for_model(draw_training_curves, model), "training_log", "training_curves", name="draw_training_curves"),
        Node(
            for_model(draw_gallery, model),
            [
                "predictions",
                "class_maps",
                "study_cases",
                "raw_images",
                "raw_masks",
                f"params:preprocessing.image_inputs.{image_input}",
            ],
            "gallery",
            name="draw_gallery",
        ),
    ]
