"""Search for hyperparameters by Optuna, in a study that is stored, resumed after a kill and shared by processes.

Akiba et al. 2019, "Optuna", doi:10.1145/3292500.3330701; points are proposed by a tree-structured Parzen estimator,
Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", NeurIPS 24.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, TrialState

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.tabular.parameters import Dimension, Search

# Points drawn at random before the estimator proposes any.
_STARTUP = 5


class Trial(NamedTuple):
    """A point of the space and its score, the higher the better."""

    point: dict[str, Any]
    score: float


def search_points(
    search: Search,
    storage: optuna.storages.BaseStorage,
    name: str,
    seed: int,
    objective: Callable[[dict[str, Any]], float],
) -> list[Trial]:
    """Try points until the study called `name` has `search.trials` of them; return these, in order.

    Points that the study has are not tried again. In one process the same seed gives the same trials, whether or not it
    was stopped in between: each is proposed under a seed of its own, from the trials before it. Several processes may
    call this for one study at the same time and return the same trials; each but the first may try one point too many.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
        study.sampler = _Sampler(seed, since=len(study.get_trials(deepcopy=False)))
        missing = search.trials - len(_finished(study))
        if missing > 0:
            study.optimize(
                lambda trial: objective({key: _suggested(trial, key, one) for key, one in search.space.items()}),
                n_trials=missing,
                callbacks=[MaxTrialsCallback(search.trials, states=(TrialState.COMPLETE,))],
            )
        # The first that were finished, so that processes which end together agree; in the order they were begun.
        first = sorted(_finished(study), key=lambda trial: (trial.datetime_complete, trial.number))[: search.trials]
    return [Trial(dict(one.params), float(one.value)) for one in sorted(first, key=lambda trial: trial.number)]


class _Sampler(optuna.samplers.BaseSampler):
    """A tree-structured Parzen estimator that is seeded anew for each trial, by its position in the study.

    The position counts the trials before it that are finished, or under way in another process. Trials numbered below
    `since` were begun before this call: one of these that is under way may be of a process that was killed.
    """

    def __init__(self, seed: int, since: int) -> None:
        self._seed, self._since = seed, since

    def _seeded(self, study: optuna.Study, trial: FrozenTrial, *more: int) -> optuna.samplers.TPESampler:
        position = sum(
            one.state == TrialState.COMPLETE or (one.state == TrialState.RUNNING and one.number >= self._since)
            for one in study.get_trials(deepcopy=False)
            if one.number < trial.number
        )
        seed = derived_seed(self._seed, position, *more)
        # A trial of a process that was killed must not repel the points proposed here.
        return optuna.samplers.TPESampler(n_startup_trials=_STARTUP, seed=seed, constant_liar=False)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._seeded(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._seeded(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # Hyperparameters drawn apart from each other must not all get the same random number.
        sampler = self._seeded(study, trial, *param_name.encode())
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _suggested(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
    if dimension.choices:
        return trial.suggest_categorical(name, dimension.choices)
    low, high = dimension.bounds
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=dimension.log)
    return trial.suggest_float(name, low, high, log=dimension.log)
