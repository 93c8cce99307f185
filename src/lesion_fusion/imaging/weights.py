"""Weights that a network can be asked to start from, and what is said when they cannot be had (no Keras import)."""

from __future__ import annotations

import hashlib
import re

from lesion_fusion.errors import UserError

IMAGENET = "imagenet"
RANDOM = "random"
REGISTERED = "registered:"

REGISTERED_PREFIX = "lesion-backbone-"
"""Of the names in MLflow's registry: `registered:small_cnn` is the last version of `lesion-backbone-small_cnn`."""


class WeightsUnavailableError(UserError, ValueError):
    """The weights asked for cannot be had; the message lists what can."""


def registered_backbone(weights: str | None) -> str | None:
    """Return the name after `registered:`; None for other weights."""
    return weights.removeprefix(REGISTERED) if weights is not None and weights.startswith(REGISTERED) else None


def weights_label(weights: str) -> str:
    """Return weights as a part of a file's name: letters, digits, _ and -; two files of one name are told apart."""
    place = hashlib.sha256(weights.encode()).hexdigest()[:8] if "/" in weights or "\\" in weights else ""
    label = re.sub(r"[^A-Za-z0-9_-]+", "_", re.split(r"[/\\]", weights)[-1])
    return f"{label}_{place}" if place else label


def unavailable(problem: str) -> WeightsUnavailableError:
    """Return the error for a problem, told as a sentence without its full stop, with the alternatives."""
    return WeightsUnavailableError(
        f'{problem}. What can be asked for: weights "imagenet" for a backbone of keras.applications (fetched once '
        "into ~/.keras/models: run once with a network connection, or copy the file there); "
        '"registered:<name>", a network that `kedro run --pipeline pretraining` has trained, for instance with '
        "`--env bus_bra`; the path of a .keras, .weights.h5 or .h5 file of the same backbone; or no weights, with "
        "regime scratch. An entry set to null is left out."
    )
