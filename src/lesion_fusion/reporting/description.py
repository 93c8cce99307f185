"""A model in words and in its folds: what it is, what was tried, what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import pandas as pd

from lesion_fusion.evaluation.judge import per_fold
from lesion_fusion.notation import listing, number, words
from lesion_fusion.tabular.tuning import BOOKKEEPING, best_points

# Names that are more than their words.
CLASSIFIERS = {
    "adaboost": "AdaBoost",
    "k_nearest_neighbours": "k-nearest neighbours",
    "mlp": "multilayer perceptron",
    "svm_rbf": "SVM with RBF kernel",
    "xgboost": "XGBoost",
}
VIEWS = {
    "record": "the record",
    "record_representation": "a representation of the record learned by a perceptron",
    "image_descriptors": "the image descriptors",
    "embeddings": "a network's embeddings",
    "pixels": "the image's pixels, averaged over areas",
}
# What the numbers are that a rule of late fusion settles for its members.
MEANING = {
    "mean": "",
    "majority_vote": "the members' thresholds",
    "weighted": "the members' weights",
    "stacking": "coefficients of the members' log-odds; of boosting those it starts from; of a forest importances",
}
# What a rule of late fusion learns inside a training fold.
SETTLED = {
    "mean": "nothing",
    "majority_vote": "the thresholds at which members vote",
    "weighted": "the members' weights",
    "stacking": "nothing; the stacker's settings are fixed",
}
JOINTS = {
    "gated": "gates",
    "attention": "attention",
    "concatenation": "a dense layer",
}


@dataclass(frozen=True)
class Description:
    """What a model is, what it sees, what was tuned, and how many configurations were tried in each training fold.

    `settled` says what the numbers of a fold are where their names alone don't.
    """

    what: str
    sees: str
    tuned: str
    tried: int
    settled: str = ""


@dataclass(frozen=True)
class FoldRow:
    """One outer fold: its cases, the AUROC in it (None where it has one class only) and what was settled inside it.

    The last row, `place` "all cases", is the model refitted on all of them, which is not tested.
    """

    place: str
    n: int | None
    auroc: float | None
    settled: str


@dataclass(frozen=True)
class PointRow:
    """A point of hyperparameters that was tried: its mean score, in how many trainings, and how often it was chosen."""

    point: str
    score: float
    trainings: int
    chosen: int


def describe(parameters: Mapping[str, Any]) -> Description:
    """Return the description of a model from its parameters: late fusion, network or tuned classifier."""
    if "members" in parameters:
        rule, classifier = parameters["rule"], parameters["classifier"]
        stacker = f" by {CLASSIFIERS.get(classifier, words(classifier))}" if classifier else ""
        return Description(
            what=f"late fusion, {words(rule)}{stacker}",
            sees=f"the probabilities of {listing(list(parameters['members']))}",
            tuned=SETTLED[rule] if parameters["calibrated"] else "nothing",
            tried=1,
            settled=MEANING[rule],
        )
    if "transferred" in parameters:
        return Description(
            what=f"{parameters['transferred']}, trained on that cohort alone",
            sees="the image",
            tuned="its calibration" if parameters["calibrated"] else "nothing",
            tried=1,
        )
    network = parameters.get("network")
    if isinstance(network, Mapping):
        joint = "fusion" in parameters
        view = parameters.get("image_input")
        image = f"the image ({words(view)})" if view else "the image"
        return Description(
            what=f"network {network['backbone']}, {_training(network)}"
            + (f", joined with a network of the record by {JOINTS[parameters['fusion']]}" if joint else ""),
            sees=f"the record and {image}" if joint else image,
            tuned=f"epochs, at most {network['epochs']} ({network['optimizer']}, batches of {network['batch_size']})",
            tried=1,
        )
    tuned, tried = _tried(parameters)
    return Description(
        what=CLASSIFIERS.get(parameters["classifier"], words(parameters["classifier"])),
        sees=listing([VIEWS[view] for view in parameters["views"]]) + (f" ({network})" if network else ""),
        tuned=tuned,
        tried=tried,
    )


def _training(network: Mapping[str, Any]) -> str:
    """Return how a network is trained, in words."""
    if network["regime"] == "scratch":
        return "trained from random weights"
    if network["regime"] == "frozen":
        return f"a head trained on its frozen features (weights: {network['weights']})"
    head = "a new head first, then " if network["head_epochs"] else ""
    layers = "all layers" if network["unfrozen_share"] == 1 else "its upper blocks"
    return f"trained on from the weights {network['weights']}: {head}{layers}"


def _tried(parameters: Mapping[str, Any]) -> tuple[str, int]:
    """Return a classifier's grid or searched space in words, and how many points of it each training tries."""
    search = parameters.get("search")
    if search:
        ranges = [f"{name}: {_range(dimension)}" for name, dimension in search["space"].items()]
        return f"{'; '.join(ranges)} (searched by Optuna)", search["trials"]
    grid = parameters.get("grid") or {}
    values = [f"{name}: {', '.join(map(_value, values))}" for name, values in grid.items()]
    return "; ".join(values) or "nothing", prod(len(values) for values in grid.values())


def _range(dimension: Mapping[str, Any]) -> str:
    if dimension["choices"]:
        return ", ".join(map(_value, dimension["choices"]))
    return f"{_value(dimension['low'])} to {_value(dimension['high'])}{', logarithmic' if dimension['log'] else ''}"


def fold_rows(predictions: pd.DataFrame, training_log: pd.DataFrame) -> list[FoldRow]:
    """Return one row an outer fold and one for the model refitted on all cases, if the log has one."""
    settled = _settled(training_log)
    scores = per_fold(predictions)
    aurocs = scores[scores["metric"] == "auroc"].set_index(["repeat", "fold"])["value"].to_dict()
    counts = predictions.groupby(["repeat", "fold"])["case_id"].nunique().to_dict()
    repeats = predictions["repeat"].nunique()
    rows = [
        FoldRow(
            place=f"fold {fold + 1}" if repeats == 1 else f"repeat {repeat + 1}, fold {fold + 1}",
            n=int(n),
            auroc=aurocs.get((repeat, fold)),
            settled=settled.get((repeat, fold), ""),
        )
        for (repeat, fold), n in ((_key(key), n) for key, n in counts.items())
    ]
    refitted = [FoldRow("all cases", None, None, text) for (_, fold), text in settled.items() if fold < 0]
    return rows + refitted


def point_rows(training_log: pd.DataFrame) -> list[PointRow]:
    """Return the best points that were tried, the best first; none of a model for which nothing is tried."""
    if "chosen" not in training_log or training_log.groupby(["repeat", "fold"]).size().max() == 1:
        return []
    points = best_points(training_log)
    names = points.columns.difference(["score", "trainings", "chosen"], sort=False)
    return [
        PointRow(_named(row[names]), float(row["score"]), int(row["trainings"]), int(row["chosen"]))
        for _, row in points.iterrows()
    ]


def _settled(log: pd.DataFrame) -> dict[tuple[int, int], str]:
    """Return what was settled in each fold: the grid point chosen, the epochs trained or what a rule found."""
    places = log.groupby(["repeat", "fold"])
    if "epoch" in log:
        return {_key(key): _epochs(rows) for key, rows in places}
    if "chosen" in log:
        return {_key(key): _named(rows[rows["chosen"]].iloc[0].drop(list(BOOKKEEPING))) for key, rows in places}
    of_members = [name for name in log.columns if name not in BOOKKEEPING]
    return {_key(key): _named(rows.iloc[0][of_members].map(lambda value: number(value, 2))) for key, rows in places}


def _key(key: Any) -> tuple[int, int]:
    return int(key[0]), int(key[1])


def _epochs(rows: pd.DataFrame) -> str:
    text = f"{int(rows['epoch'].max())} epochs"
    if "val_loss" in rows and rows["val_loss"].notna().any():
        best = rows.sort_values("val_loss").iloc[0]
        text += f", the best epoch {int(best['epoch'])} (validation loss {number(float(best['val_loss']))})"
    return text


def _named(values: pd.Series) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in values.items()) or "nothing to tune"


def _value(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "none"
    # Neurons of a network's layers.
    if isinstance(value, tuple):
        return "-".join(map(_value, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
