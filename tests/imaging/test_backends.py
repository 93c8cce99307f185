"""What holds of networks on TensorFlow holds on Keras' other backends, where they are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from tests.conftest import ROOT

OF_NETWORKS = [
    *(
        f"tests/imaging/test_{name}.py"
        for name in ("augmentation", "batch_norm", "grad_cam", "networks", "out_of_fold")
    ),
    "tests/pipelines/test_network_nodes.py",
    "tests/pipelines/test_joint_nodes.py",
]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_tests_of_networks_pass_on_every_backend(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *OF_NETWORKS],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
