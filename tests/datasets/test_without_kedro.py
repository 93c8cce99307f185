"""A served model has no Kedro: its environment lists only what `datasets.mlflow_runs` requires."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOAD = """
import sys
for name in ("kedro", "kedro_datasets", "kedro_mlflow"):
    sys.modules[name] = None
import lesion_fusion.serving.served_model
"""


@pytest.mark.medium
def test_the_served_model_is_imported_without_kedro():
    subprocess.run([sys.executable, "-c", LOAD], check=True, timeout=300)
