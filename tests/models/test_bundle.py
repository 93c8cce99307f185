"""Bundles: the same probabilities after storing, no pickle, nothing foreign loaded."""

from __future__ import annotations

import json
import os.path
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from lesion_fusion.datasets.model_bundle import ModelBundleDataset
from lesion_fusion.fusion.rules import MajorityVote, Mean, Stacking, Weighted
from lesion_fusion.fusion.stackers import make_stacker
from lesion_fusion.models.bundle import DESCRIPTION, UntrustedBundleError, load_bundle, save_bundle
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from tests.models.requests import answered, request_of
from tests.models.toy import Cohort, fitted_late, fitted_tabular, small_cohort


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.mark.parametrize("classifier", sorted(CLASSIFIERS))
def test_every_classifier_gives_the_same_probabilities_after_storing(cohort, classifier: str, tmp_path: Path):
    model = fitted_tabular(cohort, ("record", "image_descriptors"), classifier)
    save_bundle(model, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    probabilities = model.probabilities(cohort.inputs)
    assert probabilities.shape == (24, 2)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), probabilities)
    for name in ("family", "name", "classes", "threshold", "record_columns", "descriptor_names"):
        assert getattr(loaded, name) == getattr(model, name)


@pytest.mark.parametrize("image_weight", [0.0, 0.3])
def test_a_weighted_image_stays_so_in_a_stored_model_that_is_asked(cohort, image_weight: float, tmp_path: Path):
    model = fitted_tabular(cohort, ("record", "image_descriptors"), image_weight=image_weight)
    save_bundle(model, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    told = model.probabilities(cohort.inputs)
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), told)
    asked = answered(cohort, loaded, request_of(cohort))[["p_benign", "p_malignant"]].astype(float)
    np.testing.assert_allclose(asked, told, atol=1e-9)
    whole = fitted_tabular(cohort, ("record", "image_descriptors")).probabilities(cohort.inputs)
    assert not np.allclose(told, whole)
    if image_weight == 0:
        alone = fitted_tabular(cohort, ("record",)).probabilities(cohort.inputs)
        np.testing.assert_array_equal(told, alone)


RULES = {
    "mean": Mean(),
    "weighted": Weighted(np.array([0.6, 0.4])),
    "majority_vote": MajorityVote(np.array([0.3, 0.5])),
    **{
        f"stacking by {name}": Stacking(
            make_stacker(name, 0).fit([[0, 1], [1, 0], [2, 2], [3, 3]] * 10, [0, 0, 1, 1] * 10)
        )
        for name in sorted(CLASSIFIERS)
    },
}


@pytest.mark.parametrize("rule", RULES)
def test_a_late_fusion_is_stored_with_its_members_and_its_rule(cohort, tmp_path: Path, rule: str):
    model = fitted_late(cohort, RULES[rule])
    save_bundle(model, tmp_path / "bundle")
    loaded = load_bundle(tmp_path / "bundle")
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), model.probabilities(cohort.inputs))
    assert list(loaded.members) == list(model.members)
    assert loaded.threshold == model.threshold
    assert loaded.record_columns == next(iter(model.members.values())).record_columns
    assert loaded.uses_descriptors
    assert loaded.image_inputs == ()


def test_a_late_fusion_joins_what_its_members_say(cohort):
    model = fitted_late(cohort, Weighted(np.array([1.0, 0.0])))
    trusting = replace(model.fusion, calibration=Calibration(np.array([[1.0]]), np.array([0.0])))
    only_first = replace(model, fusions={tuple(model.members): trusting})
    first = next(iter(model.members.values()))
    np.testing.assert_allclose(only_first.probabilities(cohort.inputs), first.probabilities(cohort.inputs), atol=1e-6)


def test_a_bundle_holds_no_pickle_and_three_classes_have_no_threshold(cohort, tmp_path: Path):
    late = fitted_late(cohort, MajorityVote(np.array([np.nan, np.nan])))
    undecided = replace(late, fusions={tuple(late.members): replace(late.fusion, threshold=float("nan"))})
    save_bundle(undecided, tmp_path / "bundle")
    suffixes = {path.suffix for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    assert suffixes == {".json", ".skops"}
    assert json.loads((tmp_path / "bundle" / DESCRIPTION).read_text())["threshold"] is None
    loaded = load_bundle(tmp_path / "bundle")
    assert np.isnan(loaded.threshold)
    assert np.isnan(loaded.fusion.rule.thresholds).all()


def test_a_foreign_type_is_refused_by_name_with_the_mend(cohort, tmp_path: Path):
    foreign = Pipeline([("call", FunctionTransformer(os.path.basename))])
    save_bundle(replace(fitted_tabular(cohort, ("record",)), estimator=foreign), tmp_path / "bundle")
    with pytest.raises(UntrustedBundleError, match=r"basename.*kedro run"):
        load_bundle(tmp_path / "bundle")


def test_an_unknown_kind_is_refused(cohort, tmp_path: Path):
    save_bundle(fitted_tabular(cohort, ("record",)), tmp_path / "bundle")
    path = tmp_path / "bundle" / DESCRIPTION
    path.write_text(path.read_text().replace('"tabular"', '"shell"'))
    with pytest.raises(UntrustedBundleError, match="'shell'"):
        load_bundle(tmp_path / "bundle")


def test_what_is_no_model_can_not_be_stored(tmp_path: Path):
    with pytest.raises(DatasetError):
        ModelBundleDataset(filepath=str(tmp_path / "bundle")).save("model")
    assert list(tmp_path.iterdir()) == []
