"""Search for hyperparameters by Optuna, in a study that is stored, goes on after a kill and is shared by processes.

Akiba et al. 2019, "Optuna", doi:10.1145/3292500.3330701; points are proposed by a tree-structured Parzen estimator,
Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", NeurIPS 24.
"""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from lesion_fusion.cohort.folds import derived_seed
from lesion_fusion.tabular.search_space import Dimension, Search

# Points drawn at random before the estimator proposes any.
_STARTUP = 5
# Whose trial it is, an attribute of the trial; for how long one without it may be about to get it; and after how long
# a trial of another machine counts as abandoned.
_PROCESS = "process"
_NAMELESS = timedelta(seconds=10)
_ABANDONED = timedelta(hours=1)
_WAIT_SECONDS = 0.05


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

    What the study has is not tried again. Several processes may call this for one study at the same time; all return
    the same trials. In one process the same seed gives the same trials, whether or not it was stopped in between: each
    is proposed under a seed of its own, from the trials before it.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(
            storage=storage, sampler=_Sampler(seed), study_name=name, direction="maximize", load_if_exists=True
        )
        space = {key: _distribution(dimension) for key, dimension in search.space.items()}
        while len(_finished(study)) < search.trials:
            _bury(study)
            running = [trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.RUNNING]
            nameless = any(_PROCESS not in trial.user_attrs for trial in running)
            if nameless or len(running) + len(_finished(study)) >= search.trials:
                # Another process is at it; its trial may also turn out to be dead.
                time.sleep(_WAIT_SECONDS)
                continue
            trial = study.ask(space)
            trial.set_user_attr(_PROCESS, _this_process())
            if _position(study, trial.number) >= search.trials:
                study.tell(trial, state=TrialState.FAIL)
                continue
            try:
                study.tell(trial, objective(dict(trial.params)))
            except BaseException:
                study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
                raise
        finished = _finished(study)[: search.trials]
    return [Trial(dict(trial.params), float(trial.value)) for trial in finished]


class _Sampler(optuna.samplers.BaseSampler):
    """A tree-structured Parzen estimator that is seeded anew for each trial, by its position in the study."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def _of(self, study: optuna.Study, trial: FrozenTrial) -> optuna.samplers.TPESampler:
        seed = derived_seed(self._seed, _position(study, trial.number))
        return optuna.samplers.TPESampler(n_startup_trials=_STARTUP, seed=seed)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(study, trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(study, trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # Hyperparameters drawn apart from each other must not all get the same random number.
        seed = derived_seed(self._seed, _position(study, trial.number), *param_name.encode())
        sampler = optuna.samplers.TPESampler(n_startup_trials=_STARTUP, seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _position(study: optuna.Study, number: int) -> int:
    """Return how many trials came before the one of that number; those that failed don't count."""
    earlier = study.get_trials(deepcopy=False)
    return sum(trial.number < number and trial.state != TrialState.FAIL for trial in earlier)


def _bury(study: optuna.Study) -> None:
    """Let trials fail whose process is gone."""
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING and _is_dead(trial.user_attrs, trial.datetime_start):
            # Another process may have done so just now.
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def _is_dead(attributes: Mapping[str, Any], start: datetime | None) -> bool:
    age = datetime.now() - (start or datetime.now())
    if _PROCESS not in attributes:
        return age > _NAMELESS
    host, pid = attributes[_PROCESS]
    if host != socket.gethostname():
        return age > _ABANDONED
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _this_process() -> list[Any]:
    return [socket.gethostname(), os.getpid()]


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices:
        return CategoricalDistribution(dimension.choices)
    low, high = dimension.low, dimension.high
    assert low is not None
    assert high is not None
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=dimension.log)
    return FloatDistribution(low, high, log=dimension.log)
