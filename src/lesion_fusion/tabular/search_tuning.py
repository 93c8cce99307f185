"""Tune a classifier by a search instead of a grid, on the same inner folds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lesion_fusion.tabular.image_weight import best_position
from lesion_fusion.tabular.parameters import TabularModel, Tuning
from lesion_fusion.tabular.pooling import PooledCases
from lesion_fusion.tabular.search_space import Search
from lesion_fusion.tabular.tuning import TunedClassifier, encoded_folds, response_score, tune

if TYPE_CHECKING:
    from lesion_fusion.datasets.study_journal import StudyJournal


def tune_by_search(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: TabularModel,
    search: Search,
    tuning: Tuning,
    n_classes: int,
    seed: int,
    journal: StudyJournal | None,
    pooled: PooledCases | None = None,
) -> TunedClassifier:
    """Return what `tuning.tune` returns for the best point of a search.

    The points are kept in a study of `journal`, and a study that is there goes on; without a journal they are kept in
    memory. The study's name holds a digest of the data, the parameters and the seed, so that one of other data is never
    taken up. `grid_scores` has one row a point, in the order tried; of equal scores the smaller weight of the image
    block wins, then the first.
    """
    # Imported here: a model tuned by a grid does without.
    import optuna

    from lesion_fusion.tabular.optuna_search import search_points

    folds = encoded_folds(features, labels, groups, model, tuning, seed, pooled)

    def mean_score(point: dict[str, Any]) -> float:
        responses = [fold.responses(model, seed, [point])[0] for fold in folds]
        scores = [response_score(of_fold, labels[fold.tested]) for fold, of_fold in zip(folds, responses, strict=True)]
        return float(np.mean(scores))

    storage = journal.storage() if journal else optuna.storages.InMemoryStorage()
    name = study_name(features, labels, groups, model, search, tuning, seed, pooled)
    trials = search_points(search, storage, name, seed, mean_score)
    scores = np.asarray([trial.score for trial in trials])
    best = best_position([trial.point for trial in trials], scores)
    grid = {key: [value] for key, value in trials[best].point.items()}
    chosen = model.model_copy(update={"grid": grid, "search": None})
    tuned = tune(features, labels, groups, chosen, tuning, n_classes, seed, pooled)
    points = pd.DataFrame([{key: str(value) for key, value in trial.point.items()} for trial in trials])
    return replace(tuned, grid_scores=points.assign(score=scores, chosen=np.arange(len(trials)) == best))


def study_name(
    features: pd.DataFrame,
    labels: np.ndarray,
    groups: np.ndarray,
    model: TabularModel,
    search: Search,
    tuning: Tuning,
    seed: int,
    pooled: PooledCases | None = None,
) -> str:
    """Return the classifier's name and a digest of what a point's score depends on; not of how many are tried."""
    digest = hashlib.sha256()
    digest.update(pd.util.hash_pandas_object(features).to_numpy().tobytes())
    if pooled is not None:
        digest.update(pd.util.hash_pandas_object(pooled.features).to_numpy().tobytes())
        digest.update(pooled.labels.tobytes())
    settings = (
        list(features.columns),
        labels.tolist(),
        groups.tolist(),
        model.model_dump_json(exclude={"search", "grid", "ablation", "must_beat"}),
        search.model_dump_json(exclude={"trials"}),
        tuning.inner_folds,
        seed,
        *(version(package) for package in ("lesion-fusion", "optuna", "scikit-learn")),
    )
    digest.update(repr(settings).encode())
    return f"{model.classifier} {digest.hexdigest()[:16]}"
