"""EfficientNet-Lite0: its architecture, its weights, and a reader of files that runs nothing."""

from __future__ import annotations

import importlib.util
import io
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from lesion_fusion.imaging import lite0
from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import backbone_of, build_network
from lesion_fusion.imaging.parameters import NetworkParameters, WeightsUnavailableError

installed = pytest.mark.skipif(
    importlib.util.find_spec(lite0.PACKAGE) is None, reason="the extra `imagenet` is not installed"
)
STATISTICS = ("num_batches_tracked",)


@pytest.mark.medium
def test_architecture_is_the_published_one() -> None:
    backbone = backbone_of(build_network("efficientnetlite0", (64, 64, 2), 2))
    head = lite0.HEAD_WIDTH * 1000 + 1000
    # 4.65 million that are trained, and the moving statistics of batch normalisation.
    assert backbone.count_params() + head == pytest.approx(4.69e6, abs=0.01e6)
    edges = {layer.output.shape[1] for layer in backbone.layers if isinstance(layer, keras.layers.DepthwiseConv2D)}
    assert edges == {32, 16, 8, 4, 2}
    assert sum(isinstance(layer, keras.layers.Add) for layer in backbone.layers) == 9
    assert NetworkParameters(backbone="EFFICIENTNETLITE0").backbone == "EfficientNetLite0"


@installed
@pytest.mark.medium
def test_every_published_weight_is_used_once() -> None:
    published = {name: array for name, array in lite0.imagenet_weights().items() if not name.endswith(STATISTICS)}
    backbone = backbone_of(build_network("EfficientNetLite0", (64, 64, 1), 2, weights="imagenet"))
    head = [name for name in published if name.startswith("_fc")]
    ours = sorted(float(np.abs(weight).astype("float64").sum()) for weight in backbone.get_weights())
    theirs = sorted(float(np.abs(published[n]).astype("float64").sum()) for n in published if n not in head)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@installed
def test_another_file_under_the_published_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "WEIGHTS_DIGEST", "0" * 64)
    with pytest.raises(WeightsUnavailableError, match="SHA-256 is another"):
        lite0.imagenet_weights()


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(WeightsUnavailableError, match=r"no-such-package.*extra `imagenet`"):
        lite0.imagenet_weights()


class Touches:
    """What a harmful file would hold: loading it calls a function of the file's choice."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_file_that_names_anything_else_runs_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(pickle.UnpicklingError, match="may not name"):
        lite0.read_state(io.BytesIO(pickle.dumps(Touches(mark)) * 5))
    assert not mark.exists()


def test_a_file_of_another_format_is_refused() -> None:
    parts = (1, 1001, {}, OrderedDict(), [])
    with pytest.raises(pickle.UnpicklingError, match="no file of PyTorch's format"):
        lite0.read_state(io.BytesIO(b"".join(pickle.dumps(part) for part in parts)))
