"""What holds of networks on TensorFlow holds on Keras' other backends, where they are installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from tests.conftest import ROOT

OF_NETWORKS = [
    *(f"tests/imaging/test_{name}.py" for name in ("batches", "training", "grad_cam", "networks", "out_of_fold")),
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


TRAINED = """
import numpy as np
from lesion_fusion.imaging.keras_backend import keras, sharing_devices
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.out_of_fold import train_out_of_fold

labels = np.repeat([0, 1], 24)
images = (60 * np.random.default_rng(0).random((48, 32, 32, 1)) + 60 * labels[:, None, None, None]).astype("uint8")
parameters = NetworkParameters(backbone="small_cnn", optimizer="adam", epochs=2, batch_size=15, patience=None)
trained = train_out_of_fold(images, labels, np.arange(48), np.arange(48) % 2, 2, parameters, 0)
tested = [probability for fold in trained.folds for probability in fold.test_probabilities[:, 1]]
print(sharing_devices(), len(trained.network.weights[0].value.devices()), *tested)
"""


@pytest.mark.slow
def test_two_devices_of_jax_share_each_batch_and_learn_what_one_learns() -> None:
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    found = []
    for devices in (1, 2):
        flags = {"KERAS_BACKEND": "jax", "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        # As many to a batch as two devices can share.
        code = TRAINED.replace("batch_size=15", "batch_size=14") if devices == 1 else TRAINED
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=os.environ | flags, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        sharing, holding, *probabilities = done.stdout.split()
        assert (int(sharing), int(holding)) == (devices, devices)
        found.append([float(one) for one in probabilities])
    assert found[1] == pytest.approx(found[0], abs=0.02)
