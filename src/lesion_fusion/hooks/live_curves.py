"""Hook: a network's epochs in the tracked run as they are done, so that a long training can be watched."""

from __future__ import annotations

import logging
import math
import re

import mlflow
from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

_TRAINING = "lesion_fusion.imaging.training"


class LiveCurves:
    """Logs every epoch to the run of the session, as `<model>/<training>/<metric>`; its own run has them at its end.

    The training knows no MLflow: it writes its log, and each line of an epoch carries the figures.
    """

    def __init__(self) -> None:
        self._handler = _EpochHandler()

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Listen to the log of trainings."""
        logging.getLogger(_TRAINING).addHandler(self._handler)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Note whose epochs come next."""
        self._handler.model = node.namespace or node.name

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Listen no more."""
        logging.getLogger(_TRAINING).removeHandler(self._handler)

    @hook_impl
    def on_pipeline_error(self) -> None:
        """Listen no more."""
        logging.getLogger(_TRAINING).removeHandler(self._handler)


class _EpochHandler(logging.Handler):
    model = ""

    def emit(self, record: logging.LogRecord) -> None:
        figures = getattr(record, "figures", None)
        if figures is None or mlflow.active_run() is None:
            return
        # Names of MLflow's metrics take no commas.
        place = f"{self.model}/{re.sub(r'[^A-Za-z0-9_. -]', '', record.task)}"  # type: ignore[attr-defined]
        finite = {f"{place}/{name}": value for name, value in figures.items() if math.isfinite(value)}
        mlflow.log_metrics(finite, step=int(figures["epoch"]))
