"""A study goes on where it was stopped, gives the same as if it had not been, and is shared by processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from lesion_fusion.datasets.study_journal import StudyJournal
from lesion_fusion.tabular.optuna_search import Trial, search_points
from lesion_fusion.tabular.parameters import Dimension, Search

SPACE = {
    "rate": Dimension(low=0.01, high=1.0, log=True),
    "depth": Dimension(low=1, high=8),
    "kind": Dimension(choices=("a", "b")),
}


def score(point: dict[str, Any]) -> float:
    """Best at a rate of 0.1, a depth of 3 and kind b."""
    return -(np.log10(point["rate"] / 0.1) ** 2) - (point["depth"] - 3) ** 2 + (point["kind"] == "b")


def searched(journal: Path, trials: int = 12, seed: int = 1, objective=score, name: str = "one") -> list[Trial]:
    return search_points(Search(trials=trials, space=SPACE), StudyJournal(journal).storage(), name, seed, objective)


def in_memory(trials: int, seed: int = 1) -> list[Trial]:
    return search_points(Search(trials=trials, space=SPACE), optuna.storages.InMemoryStorage(), "one", seed, score)


def test_points_lie_in_the_space_and_get_better_than_chance():
    found = in_memory(40)
    assert len(found) == 40
    for point, value in found:
        assert 0.01 <= point["rate"] <= 1
        assert isinstance(point["depth"], int)
        assert 1 <= point["depth"] <= 8
        assert point["kind"] in ("a", "b")
        assert value == score(point)
    # Points drawn at random have a mean score of -7.3.
    assert np.mean([trial.score for trial in found[20:]]) > -4


def test_the_seed_decides_and_the_storage_does_not(tmp_path: Path):
    assert in_memory(12) == in_memory(12) == searched(tmp_path / "studies.log")
    assert in_memory(12) != in_memory(12, seed=2)


@pytest.mark.medium
@pytest.mark.parametrize("finished", [0, 5])
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path, finished: int):
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from tests.tabular import test_optuna_search as t\n"
        "tried = []\n"
        "def objective(point):\n"
        "    tried.append(point)\n"
        f"    return t.score(point) if len(tried) <= {finished} else os.kill(os.getpid(), 9)\n"
        f"t.searched(Path({str(tmp_path / 'studies.log')!r}), objective=objective)\n"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == -9
    tried: list[dict] = []

    def counted(point: dict) -> float:
        tried.append(point)
        return score(point)

    assert searched(tmp_path / "studies.log", objective=counted) == in_memory(12)
    assert len(tried) == 12 - finished


def test_what_is_finished_is_not_tried_again_and_more_trials_go_on(tmp_path: Path):
    def never(_point: dict) -> float:
        raise AssertionError("tried again")

    first = searched(tmp_path / "studies.log", trials=6)
    assert searched(tmp_path / "studies.log", trials=6, objective=never) == first
    assert searched(tmp_path / "studies.log", trials=4, objective=never) == first[:4]
    assert searched(tmp_path / "studies.log", trials=12) == in_memory(12)


def test_the_trial_of_an_interrupted_objective_is_tried_again(tmp_path: Path):
    def broken(_point: dict) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "studies.log", objective=broken)
    assert searched(tmp_path / "studies.log") == in_memory(12)


def test_studies_of_other_names_do_not_meet(tmp_path: Path):
    assert searched(tmp_path / "studies.log", seed=1) == in_memory(12, 1)
    assert searched(tmp_path / "studies.log", seed=2, name="two") == in_memory(12, 2)


@pytest.mark.medium
def test_two_processes_share_one_study(tmp_path: Path):
    journal = tmp_path / "studies.log"
    code = (
        "import json, sys, time\n"
        "from pathlib import Path\n"
        "from tests.tabular import test_optuna_search as t\n"
        "Path(sys.argv[1]).touch()\n"
        f"while len(list(Path({str(tmp_path)!r}).glob('ready*'))) < 2: time.sleep(0.01)\n"
        "tried = []\n"
        "def objective(point):\n"
        "    tried.append(point)\n"
        "    time.sleep(0.1)\n"
        "    return t.score(point)\n"
        f"found = t.searched(Path({str(journal)!r}), objective=objective)\n"
        "print(json.dumps([len(tried), [list(trial) for trial in found]]))\n"
    )
    root = Path(__file__).resolve().parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / f"ready{i}")], cwd=root, stdout=subprocess.PIPE, text=True
        )
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    (own, found), (others, found_too) = map(json.loads, outputs)
    assert found == found_too
    assert len(found) == 12
    # The two may be at their last point at the same time.
    assert own + others in (12, 13)
    assert min(own, others) >= 2
    assert len({str(point) for point, _ in found}) > 8
    trials = optuna.load_study(study_name="one", storage=StudyJournal(journal).storage()).trials
    assert sum(trial.state == TrialState.COMPLETE for trial in trials) == own + others


@pytest.mark.parametrize(
    ("dimension", "words"),
    [
        ({"low": 1}, "either"),
        ({"low": 1, "high": 2, "choices": [1]}, "either"),
        ({"low": 2, "high": 1}, "below"),
        ({"low": 0, "high": 1, "log": True}, "above 0"),
        ({}, "either"),
    ],
)
def test_a_dimension_that_can_not_be_is_refused_in_words(dimension: dict, words: str):
    with pytest.raises(ValueError, match=words):
        Dimension.model_validate(dimension)
