"""Epochs reach the active run as they are logged, under the model that trains; other lines and no run do no harm."""

from __future__ import annotations

import logging
import math
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest

from lesion_fusion.hooks.tracking import LiveCurves


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, float], int]]:
    calls: list[tuple[dict[str, float], int]] = []
    monkeypatch.setattr(mlflow, "active_run", lambda: "run")
    monkeypatch.setattr(mlflow, "log_metrics", lambda metrics, step: calls.append((metrics, step)))
    return calls


def log(**extra: Any) -> None:
    logging.getLogger("lesion_fusion.imaging.training").warning("an epoch", extra=extra)


def test_an_epoch_is_logged_under_its_model_and_what_is_no_number_is_left_out(logged: list):
    hook = LiveCurves()
    hook.before_pipeline_run()
    hook.before_node_run(SimpleNamespace(namespace="imaging.small", name="imaging.small.train"))
    log(task="small_cnn, adam, fold 1 of 5", figures={"epoch": 3, "loss": 0.5, "val_auroc": math.nan})
    log()
    hook.after_pipeline_run()
    log(task="later", figures={"epoch": 4, "loss": 0.4})
    place = "imaging.small/small_cnn adam fold 1 of 5"
    assert logged == [({f"{place}/epoch": 3, f"{place}/loss": 0.5}, 3)]


def test_without_a_run_nothing_is_logged(logged: list, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mlflow, "active_run", lambda: None)
    hook = LiveCurves()
    hook.before_pipeline_run()
    log(task="small", figures={"epoch": 1, "loss": 0.5})
    hook.on_pipeline_error()
    assert logged == []
