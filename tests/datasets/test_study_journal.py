"""Studies are in a file, or in the database that a variable names; the trials are the same."""

from __future__ import annotations

import warnings
from pathlib import Path

import optuna
import pytest
from tests.tabular.test_optuna_search import in_memory, searched

from lesion_fusion.datasets.study_journal import VARIABLE, StudyJournal


@pytest.mark.medium
def test_a_database_takes_the_place_of_the_file_and_gives_the_same_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    address = f"sqlite:///{tmp_path / 'studies.db'}"
    monkeypatch.setenv(VARIABLE, address)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert searched(tmp_path / "studies.log", trials=7) == in_memory(7)
    assert not (tmp_path / "studies.log").exists()
    assert len(optuna.load_study(study_name=None, storage=address).trials) == 7
    storage = StudyJournal(tmp_path / "studies.log").storage()
    assert storage.get_heartbeat_interval() == 60
