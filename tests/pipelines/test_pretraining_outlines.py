"""Networks that draw outlines for other cohorts: they know no class, and draw where they saw nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from lesion_fusion.cohort.study import Study
from lesion_fusion.config import reading
from lesion_fusion.datasets.registered_backbone import RegisteredNetwork
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import PretrainedBackbone
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.pipelines.preprocessing.outline_nodes import make_outline_images, make_outlines
from lesion_fusion.pipelines.pretraining.outline_nodes import pretrain_outlines
from tests.config.resolved import configured
from tests.models.toy import Cohort, small_cohort

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
AUDIT: dict[str, Any] = {"compared_images": 0, "cohort_digest": "d", "tables": {"duplicates_between_cohorts": []}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (4, 4, 8, 8))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


def parameters(registers: bool = True, members: int = 1, **network: Any) -> Outline:
    tiny = {"size": 32, "epochs": 1, "batch_size": 4} | network
    return Outline.model_validate(
        {"source": "predicted", "folds": 2, "members": members, "registers": registers, "network": tiny}
    )


def pairs_of(cohort: Cohort, cases: pd.DataFrame, used: Outline) -> np.ndarray:
    return np.stack(list(make_outline_images(cases, cohort.images, cohort.masks, used).rows))


def pretrained(
    cohort: Cohort, cases: pd.DataFrame, registered: RegisteredNetwork | None = None, **changed: Any
) -> PretrainedBackbone:
    used = parameters(**changed)
    evaluation = Evaluation(baseline="clinical.logistic_regression", resamples=200)
    pairs = pairs_of(cohort, cases, used)
    return pretrain_outlines(cases, cohort.masks, pairs, AUDIT, used, evaluation, STUDY, registered)


def weights(found: PretrainedBackbone) -> np.ndarray:
    return np.concatenate([array.ravel() for array in found.network.get_weights()])


@pytest.mark.medium
def test_networks_for_other_cohorts_know_no_class(cohort: Cohort) -> None:
    cases = cohort.inputs.cases
    other = cases.assign(classification=cases["classification"].map({"benign": "malignant", "malignant": "benign"}))
    plain, swapped = pretrained(cohort, cases), pretrained(cohort, other)
    np.testing.assert_array_equal(weights(plain), weights(swapped))
    assert plain.tags["cohorts"] == "toy"
    assert "held_out_dice_mean" in plain.tags
    # The check is alive: fewer outlines teach something else.
    lesser = cases.assign(tumor_mask_file=cases["tumor_mask_file"].where(cases.index > 2, None))
    assert np.abs(weights(plain) - weights(pretrained(cohort, lesser))).max() > 0


@pytest.mark.medium
def test_registered_networks_draw_as_they_are_or_are_a_start(cohort: Cohort, tmp_path: Path) -> None:
    cases, file = cohort.inputs.cases, tmp_path / "network.keras"
    first = pretrained(cohort, cases, members=2)
    first.network.save(file)
    given, used = RegisteredNetwork(file, ("elsewhere",)), parameters(False, weights="registered:outline", epochs=0)
    pairs = pairs_of(cohort, cases, used)
    drawn = make_outlines(cases, cohort.masks, pairs, used, STUDY, given)
    views = [pairs[..., :1].astype("float32"), pairs[:, :, ::-1, :1].astype("float32")]
    plain, mirrored = (np.mean(first.network.predict(view, verbose=0), axis=0) for view in views)
    expected = ((plain + mirrored[:, :, ::-1]) / 2).max(axis=(1, 2, 3))
    np.testing.assert_allclose(drawn["peak"].to_numpy(dtype=float), expected, atol=1e-5)
    # No mask of this cohort is read: without them the same is drawn.
    blank = pairs * np.array([1, 0], dtype="uint8")
    assert make_outlines(cases, cohort.masks, blank, used, STUDY, given)["mask"].equals(drawn["mask"])
    second = pretrained(cohort, cases, given, weights="registered:outline")
    assert second.tags["cohorts"] == "elsewhere, toy"
    start = weights(first)[: len(weights(second))]
    assert 0 < np.abs(weights(second) - start).mean() < 0.05


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"network": {"epochs": 0}}, "only the weights registered:outline draw without training"),
        ({"network": {"weights": "registered:small_cnn"}}, "are registered:outline, not registered:small_cnn"),
        ({"registers": True, "network": {"epochs": 0, "weights": "registered:outline"}}, "nothing would be trained"),
        ({"registers": True, "folds": 2, "members": 3}, "members is 3"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_runs(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Outline.model_validate(changed)


def test_pretraining_registers_networks_that_may_start_from_another_cohorts(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment, started in (("bus_bra", False), ("busi", True)):
        monkeypatch.setattr(reading, "_in_use", [configured(environment)])
        pipelines = register_pipelines()
        assert ("registered_outline" in pipelines["pretraining"].inputs()) == started
        assert "pretrained_outline" in pipelines["pretraining"].outputs()
        assert "pretrained_outline" not in pipelines["__default__"].datasets()
