"""Store a fitted model as a folder of plain files, and read it back without executing anything from it.

`model.json` says what the model is; scikit-learn estimators lie beside it in skops' format, which names every type it
holds and builds none that is not trusted; networks lie in Keras' `.keras` format, loaded in safe mode. Members of a
late fusion and the source of a transferred model are bundles in subfolders. No file is a pickle.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import skops.io

from lesion_fusion.errors import UserError
from lesion_fusion.fusion.fitting import FittedFusion
from lesion_fusion.fusion.rules import FittedRule, MajorityVote, Mean, Stacking, Weighted
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import FittedModel
from lesion_fusion.models.joint import FittedJoint
from lesion_fusion.models.late import FittedLateFusion
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.models.tabular import FittedTabular
from lesion_fusion.models.transferred import FittedTransferred
from lesion_fusion.tabular.calibration import Calibration

DESCRIPTION = "model.json"
ESTIMATOR = "estimator.skops"
NETWORK = "network.keras"
SOURCE = "source"

# Types beyond skops' own list that our estimators are made of; a bundle with any other is refused.
TRUSTED_TYPES = (
    "lesion_fusion.fusion.stackers.LogisticThenXGBoost",
    "lesion_fusion.tabular.encoding.CategoryIndicators",
    "lesion_fusion.tabular.representation.LearnedRepresentation",
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


class UntrustedBundleError(UserError, ValueError):
    """A bundle holds types that this package never writes."""


def save_bundle(model: FittedModel, folder: Path) -> None:
    """Write `model` into `folder`, which is made."""
    folder.mkdir(parents=True)
    description: dict[str, Any] = {
        "family": model.family,
        "name": model.name,
        "classes": list(model.classes),
        "threshold": _number_to_json(model.threshold),
    }
    if isinstance(model, FittedTabular):
        description |= {
            "kind": "tabular",
            "calibration": _calibration_to_json(model.calibration),
            "views": list(model.views),
            "record_columns": list(model.record_columns),
            "descriptor_names": list(model.descriptor_names),
            "image_input": model.image_input.model_dump() if model.image_input else None,
            "pixel_input": model.pixel_input.model_dump() if model.pixel_input else None,
            "pixel_edge": model.pixel_edge,
        }
        skops.io.dump(model.estimator, folder / ESTIMATOR)
        if model.network is not None:
            model.network.save(folder / NETWORK)
    elif isinstance(model, FittedNetwork):
        description |= {
            "kind": "network",
            "calibration": _calibration_to_json(model.calibration),
            "image_input": model.image_input.model_dump(),
        }
        model.network.save(folder / NETWORK)
    elif isinstance(model, FittedJoint):
        description |= {
            "kind": "joint_network",
            "calibration": _calibration_to_json(model.calibration),
            "image_input": model.image_input.model_dump(),
            "record_columns": list(model.record_columns),
        }
        model.network.save(folder / NETWORK)
    elif isinstance(model, FittedLateFusion):
        description |= {
            "kind": "late_fusion",
            "members": {name: f"member_{i}" for i, name in enumerate(model.members)},
            "fusions": [
                {"members": list(names), **_fusion_to_json(fusion, folder / f"stacker_{i}.skops")}
                for i, (names, fusion) in enumerate(model.fusions.items())
            ],
            "shifts": [{"members": list(names), "log_odds": value} for names, value in model.shifts.items()],
        }
        for name, member in model.members.items():
            save_bundle(member, folder / description["members"][name])
    elif isinstance(model, FittedTransferred):
        description |= {"kind": "transferred", "calibration": _calibration_to_json(model.calibration)}
        save_bundle(model.source, folder / SOURCE)
    else:
        raise TypeError(f"A {type(model).__name__} can't be stored as a bundle.")
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


def load_bundle(folder: Path) -> FittedModel:
    """Read the model that `save_bundle` wrote; raises `UntrustedBundleError` for one that holds foreign types."""
    description = json.loads((folder / DESCRIPTION).read_text())
    common = {
        "family": description["family"],
        "name": description["name"],
        "classes": tuple(description["classes"]),
    }
    kind = description["kind"]
    if kind == "late_fusion":
        return FittedLateFusion(
            **common,
            members={name: load_bundle(folder / place) for name, place in description["members"].items()},
            fusions={tuple(one["members"]): _fusion_from_json(one, folder) for one in description["fusions"]},
            shifts={tuple(one["members"]): float(one["log_odds"]) for one in description["shifts"]},
        )
    common |= {
        "threshold": _number_from_json(description["threshold"]),
        "calibration": _calibration_from_json(description["calibration"]),
    }
    if kind == "tabular":
        image_input, pixel_input = description["image_input"], description["pixel_input"]
        return FittedTabular(
            **common,
            views=tuple(description["views"]),
            record_columns=tuple(description["record_columns"]),
            descriptor_names=tuple(description["descriptor_names"]),
            estimator=_load_estimator(folder / ESTIMATOR),
            network=_load_network(folder / NETWORK) if (folder / NETWORK).exists() else None,
            image_input=ImageInput(**image_input) if image_input else None,
            pixel_input=ImageInput(**pixel_input) if pixel_input else None,
            pixel_edge=description["pixel_edge"],
        )
    if kind == "network":
        return FittedNetwork(
            **common,
            network=_load_network(folder / NETWORK),
            image_input=ImageInput(**description["image_input"]),
        )
    if kind == "joint_network":
        return FittedJoint(
            **common,
            network=_load_network(folder / NETWORK),
            image_input=ImageInput(**description["image_input"]),
            record_columns=tuple(description["record_columns"]),
        )
    if kind == "transferred":
        del common["classes"]
        return FittedTransferred(**common, source=load_bundle(folder / SOURCE))
    raise UntrustedBundleError(f"{folder / DESCRIPTION} names the kind {kind!r}, which this version does not know.")


def _load_estimator(path: Path) -> Any:
    foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
    if foreign:
        raise UntrustedBundleError(
            f"{path} holds types that this package never writes: {', '.join(foreign)}. It is not loaded: "
            "write the model anew with `kedro run`."
        )
    return skops.io.load(path, trusted=list(TRUSTED_TYPES))


def _load_network(path: Path) -> Any:
    # The package's own layers register themselves when this module is imported.
    import lesion_fusion.imaging.networks  # noqa: F401
    from lesion_fusion.imaging.keras_backend import keras

    return keras.saving.load_model(path, compile=False, safe_mode=True)


def _calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    return {
        "slope": calibration.slope.tolist(),
        "intercept": calibration.intercept.tolist(),
        "covariance": None if calibration.covariance is None else calibration.covariance.tolist(),
    }


def _calibration_from_json(values: dict[str, Any]) -> Calibration:
    covariance = values["covariance"]
    return Calibration(
        np.asarray(values["slope"]),
        np.asarray(values["intercept"]),
        None if covariance is None else np.asarray(covariance),
    )


def _fusion_to_json(fusion: FittedFusion, stacker: Path) -> dict[str, Any]:
    """Return what `_fusion_from_json` reads; the estimator of a stacker is written to the file `stacker`."""
    return {
        "rule": _rule_to_json(fusion.rule, stacker),
        "calibration": _calibration_to_json(fusion.calibration),
        "threshold": _number_to_json(fusion.threshold),
    }


def _fusion_from_json(values: dict[str, Any], folder: Path) -> FittedFusion:
    return FittedFusion(
        _rule_from_json(values["rule"], folder),
        _calibration_from_json(values["calibration"]),
        _number_from_json(values["threshold"]),
    )


def _rule_to_json(rule: FittedRule, stacker: Path) -> dict[str, Any]:
    if isinstance(rule, Stacking):
        skops.io.dump(rule.estimator, stacker)
        return {"kind": "stacking", "estimator": stacker.name}
    if isinstance(rule, Weighted):
        return {"kind": "weighted", "weights": rule.weights.tolist()}
    if isinstance(rule, MajorityVote):
        return {"kind": "majority_vote", "thresholds": [_number_to_json(value) for value in rule.thresholds.tolist()]}
    assert isinstance(rule, Mean)
    return {"kind": "mean"}


def _rule_from_json(values: dict[str, Any], folder: Path) -> FittedRule:
    if values["kind"] == "stacking":
        return Stacking(_load_estimator(folder / values["estimator"]))
    if values["kind"] == "weighted":
        return Weighted(np.asarray(values["weights"]))
    if values["kind"] == "majority_vote":
        return MajorityVote(np.array([_number_from_json(value) for value in values["thresholds"]]))
    return Mean()


def _number_to_json(value: float) -> float | None:
    return None if math.isnan(value) else value


def _number_from_json(value: float | None) -> float:
    return math.nan if value is None else float(value)
