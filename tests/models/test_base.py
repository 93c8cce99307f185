"""What all kinds share: what a case must give, storing without pickles, and how models read each other."""

from __future__ import annotations

import json
import os.path
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models import KINDS, stored_parameters
from lesion_fusion.models.base import (
    DESCRIPTION,
    Family,
    FittedModel,
    ModelName,
    Need,
    TrainedModel,
    load_model,
    save_model,
    seal,
)
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late_rules import MajorityVote
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.classifiers import UntrustedModelError
from tests.models.toy import CLASSES, Cohort, fitted_late, fitted_tabular, small_cohort

RECORD, IMAGE, MASK = Need.RECORD, Need.IMAGE, Need.MASK
ENTRY = Classifier(classifier="logistic_regression", views=("record",))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.mark.parametrize(
    ("variant", "needs"), [("whole", {IMAGE}), ("crop", {IMAGE, MASK}), ("crop_with_mask", {IMAGE, MASK})]
)
def test_a_network_needs_the_outline_unless_it_sees_the_whole_image(variant: str, needs: set[Need]):
    network = FittedNetwork(
        "imaging", variant, CLASSES, 0.5, None, ImageInput(variant=variant), Calibration.identity(2)
    )
    assert network.needs == needs


@pytest.mark.medium
def test_a_model_that_lacks_a_part_it_needs_does_not_answer(cohort):
    early = fitted_tabular(cohort, ("record", "image_descriptors"))
    assert early.reduced({RECORD}) is None
    assert early.reduced({IMAGE, MASK}) is None
    assert early.reduced({RECORD, IMAGE, MASK}) is early


def test_efforts_are_the_roles_of_the_record_then_image_and_mask(cohort):
    assert fitted_tabular(cohort, ("record",)).efforts == ("metadata", "descriptors")
    assert fitted_tabular(cohort, ("record", "image_descriptors")).efforts == (
        "metadata",
        "descriptors",
        "image",
        "mask",
    )


@pytest.mark.medium
def test_a_stored_model_holds_no_pickle_and_three_classes_have_no_threshold(cohort, tmp_path: Path):
    late = fitted_late(cohort, MajorityVote(np.array([np.nan, np.nan])))
    undecided = replace(late, fusions={tuple(late.members): replace(late.fusion, threshold=float("nan"))})
    save_model(undecided, tmp_path / "model")
    suffixes = {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert suffixes == {".json", ".skops"}
    assert json.loads((tmp_path / "model" / DESCRIPTION).read_text())["threshold"] is None
    loaded = load_model(tmp_path / "model")
    assert np.isnan(loaded.threshold)
    assert np.isnan(loaded.fusion.rule.thresholds).all()


def test_a_foreign_type_is_refused_by_name_with_how_to_fix_it(cohort, tmp_path: Path):
    foreign = Pipeline([("call", FunctionTransformer(os.path.basename))])
    save_model(replace(fitted_tabular(cohort, ("record",)), estimator=foreign), tmp_path / "model")
    with pytest.raises(UntrustedModelError, match=r"basename.*kedro run"):
        load_model(tmp_path / "model")


def test_an_unknown_kind_is_refused(cohort, tmp_path: Path):
    save_model(fitted_tabular(cohort, ("record",)), tmp_path / "model")
    path = tmp_path / "model" / DESCRIPTION
    path.write_text(path.read_text().replace('"classifier"', '"shell"'))
    seal(path.parent)
    with pytest.raises(UntrustedModelError, match="'shell'"):
        load_model(tmp_path / "model")


def test_every_kind_can_be_trained_and_loaded_under_its_name():
    assert set(KINDS) <= set(FittedModel.kinds)
    for kind, entry in KINDS.items():
        assert entry.model_fields["kind"].default == kind
        assert callable(entry.train)


def test_stored_parameters_come_back():
    assert stored_parameters(json.loads(ENTRY.model_dump_json())) == ENTRY


def test_a_model_reads_its_own_familys_models_one_by_one_and_another_family_as_a_whole():
    reader = ModelName("fusion", "late")
    assert reader.source("fusion.early") == "fusion.early.trained"
    assert reader.source("imaging.small") == "imaging_models"
    family = Family({"imaging.small": trained("imaging.small")})
    assert reader.find_source("imaging.small", {"imaging_models": family}) is family.models["imaging.small"]
    alone = trained("fusion.early")
    sources = {"fusion.early.trained": alone, "imaging_models": family}
    assert reader.find_source("fusion.early", sources) is alone


def test_a_family_joins_predictions_and_keeps_ablations_off_the_leaderboard():
    ablation = ENTRY.model_copy(update={"ablation": True})
    family = Family({"clinical.a": trained("clinical.a"), "clinical.b": trained("clinical.b", ablation)})
    assert family.predictions["model"].tolist() == ["a", "b"]
    assert list(family.on_leaderboard()) == ["clinical.a"]
    assert Family({}).predictions.empty


def trained(name: str, parameters: Classifier = ENTRY) -> TrainedModel:
    table = pd.DataFrame({"family": [ModelName.parse(name).family], "model": [ModelName.parse(name).name]})
    return TrainedModel(parameters, table, table, table, model=None)
