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
from lesion_fusion.errors import UserError
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.pretraining import PretrainedBackbone
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.pipelines.preprocessing.outline_nodes import (
    make_outline_images,
    make_outlines,
    outline_parts,
)
from lesion_fusion.pipelines.pretraining.outline_nodes import (
    cases_of,
    images_of,
    pretrain_outlines,
    select_outline_cases,
)
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


def parameters(
    registers: bool = True, members: int = 1, together_with: tuple[str, ...] = (), **network: Any
) -> Outline:
    tiny = {"size": 32, "epochs": 1, "batch_size": 4} | network
    given = {"members": members, "registers": registers, "together_with": together_with, "network": tiny}
    return Outline.model_validate({"source": "predicted", "folds": 2, **given})


def pairs_of(cohort: Cohort, cases: pd.DataFrame, used: Outline) -> np.ndarray:
    return np.stack(list(make_outline_images(cases, cohort.images, cohort.masks, used).rows))


def pretrained(
    cohort: Cohort,
    cases: pd.DataFrame,
    registered: RegisteredNetwork | None = None,
    others: dict[str, Any] | None = None,
    **changed: Any,
) -> PretrainedBackbone:
    used = parameters(**changed)
    evaluation = Evaluation(baseline="clinical.logistic_regression", resamples=200)
    pairs, known = pairs_of(cohort, cases, used), select_outline_cases(cases, AUDIT)
    return pretrain_outlines(
        cases, cohort.masks, pairs, known, AUDIT, used, evaluation, STUDY, registered, **(others or {})
    )


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


@pytest.mark.medium
def test_cohorts_together_teach_like_one_cohort_of_all_their_cases(cohort: Cohort) -> None:
    cases = cohort.inputs.cases
    first, second = cases.iloc[::2].reset_index(drop=True), cases.iloc[1::2].reset_index(drop=True)
    used = parameters()
    others = {
        images_of("there"): pairs_of(cohort, second, used),
        cases_of("there"): select_outline_cases(second, AUDIT),
    }
    found = pretrained(cohort, first, others=others, together_with=("there",))
    assert found.tags["cohorts"] == "there, toy"
    # What is held out of the own cases alone is measured.
    parts, _ = outline_parts(first, used, STUDY)
    assert int(found.tags["held_out_cases"]) == (parts == 0).sum()
    alone = weights(pretrained(cohort, first))
    assert np.abs(weights(found) - alone).max() > 0
    # Cases that may not teach change nothing.
    silent = others | {cases_of("there"): others[cases_of("there")].assign(learns=False)}
    taught = pretrained(cohort, first, others=silent, together_with=("there",))
    np.testing.assert_array_equal(weights(taught), alone)


def test_cohorts_of_other_sizes_of_images_are_told_in_one_sentence(cohort: Cohort) -> None:
    cases = cohort.inputs.cases
    larger = pairs_of(cohort, cases, parameters(size=64))
    others = {images_of("there"): larger, cases_of("there"): select_outline_cases(cases, AUDIT)}
    with pytest.raises(UserError, match="images of there for outlines are 64 pixels wide, those of toy 32"):
        pretrained(cohort, cases, others=others, together_with=("there",))


def test_patients_with_a_copy_in_the_compared_cohort_teach_nothing(cohort: Cohort) -> None:
    cases = cohort.inputs.cases
    pair = {"first": cases["case_id"][0], "second": "there.png", "exact": True, "distance": 0}
    chosen = select_outline_cases(cases, AUDIT | {"tables": {"duplicates_between_cohorts": [pair]}})
    assert not chosen.loc[chosen["patient_id"] == cases["patient_id"][0], "learns"].any()
    assert chosen.loc[chosen["patient_id"] != cases["patient_id"][0], "learns"].all()


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


@pytest.mark.medium
def test_pretraining_registers_networks_that_may_learn_from_another_cohort_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for environment, others in (("bus_bra", set()), ("busi", {"bus-bra"})):
        monkeypatch.setattr(reading, "_in_use", [configured(environment)])
        pipelines = register_pipelines()
        inputs = pipelines["pretraining"].inputs()
        assert {name.partition(".")[2] for name in inputs if name.startswith("pretraining_outline_images.")} == others
        assert {name.partition(".")[2] for name in inputs if name.startswith("pretraining_outline_cases.")} == others
        assert "pretrained_outline" in pipelines["pretraining"].outputs()
        assert "pretrained_outline" not in pipelines["__default__"].datasets()
