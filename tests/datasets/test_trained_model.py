"""Trained models on disk: read part by part, written whole or not at all, and handed on as a family."""

from __future__ import annotations

import json
import os.path
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from tests.models.toy import Cohort, fitted_tabular, small_cohort

from lesion_fusion.datasets.trained_model import FamilyDataset, FittedModelDataset, TrainedModelDataset
from lesion_fusion.models.base import Family, TrainedModel, seal
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.tabular.classifiers import UntrustedModelError

PARAMETERS = Classifier(classifier="logistic_regression", views=("record",), grid={"C": [0.1, 1.0]})
PREDICTIONS = pd.DataFrame(
    {
        "protocol": "leak-free",
        "family": "clinical",
        "model": "linear",
        "repeat": 0,
        "fold": [0, 1],
        "case_id": ["a", "b"],
        "label": ["benign", "malignant"],
        "p_benign": [0.75, 0.25],
        "p_malignant": [0.25, 0.75],
        "threshold": 0.5,
    }
)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def trained(cohort: Cohort) -> TrainedModel:
    return TrainedModel(
        parameters=PARAMETERS,
        predictions=PREDICTIONS,
        inner_predictions=PREDICTIONS.drop(columns="threshold"),
        training_log=pd.DataFrame({"repeat": [0], "fold": [0], "C": [0.1], "score": [0.7], "chosen": [True]}),
        model=fitted_tabular(cohort, ("record",)),
        importance=pd.DataFrame({"repeat": [0], "fold": [0], "column": ["age"], "drop": [0.1]}),
        embeddings=np.arange(24, dtype="float32").reshape(2, 3, 4),
    )


@pytest.mark.medium
def test_all_parts_come_back_and_those_that_a_kind_lacks_are_none(cohort, trained: TrainedModel, tmp_path: Path):
    dataset = TrainedModelDataset(filepath=str(tmp_path / "clinical.linear"))
    assert not dataset.exists()
    dataset.save(trained)
    assert dataset.exists()
    loaded = dataset.load()
    assert loaded.parameters == PARAMETERS
    for part in ("predictions", "inner_predictions", "training_log", "importance"):
        pd.testing.assert_frame_equal(getattr(loaded, part), getattr(trained, part))
    np.testing.assert_array_equal(loaded.embeddings, trained.embeddings)
    assert (loaded.features, loaded.reduced_predictions, loaded.class_maps, loaded.attention) == (None,) * 4
    expected = trained.model.probabilities(cohort.inputs)
    np.testing.assert_array_equal(loaded.model.probabilities(cohort.inputs), expected)


def test_it_is_previewed_by_its_first_predictions_as_json_takes_them(trained: TrainedModel, tmp_path: Path):
    model = TrainedModelDataset(filepath=str(tmp_path / "models" / "clinical.linear"))
    three = PREDICTIONS.assign(p_normal=0.0, threshold=float("nan"))
    model.save(replace(trained, predictions=three))
    family = FamilyDataset(filepath=str(tmp_path / "clinical_models"), models=str(tmp_path / "models"))
    family.save(Family({"clinical.linear": trained}))
    for dataset, threshold in ((model, None), (family, 0.5)):
        shown = json.loads(json.dumps(dataset.preview()))
        rows = [dict(zip(shown["columns"], row, strict=True)) for row in shown["data"]]
        assert [row["case_id"] for row in rows] == ["a", "b"]
        assert {row["threshold"] for row in rows} == {threshold}


def test_a_part_is_read_when_it_is_first_asked_for(trained: TrainedModel, tmp_path: Path):
    folder = tmp_path / "clinical.linear"
    dataset = TrainedModelDataset(filepath=str(folder))
    dataset.save(trained)
    loaded = dataset.load()
    kept = loaded.predictions
    (folder / "predictions.parquet").unlink()
    (folder / "training_log.csv").write_text("repeat,fold\n7,7\n")
    assert loaded.predictions is kept
    assert loaded.training_log["repeat"].tolist() == [7]
    assert isinstance(loaded.embeddings, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.embeddings[0] = 1


def test_no_part_is_a_pickle(trained: TrainedModel, tmp_path: Path):
    TrainedModelDataset(filepath=str(tmp_path / "clinical.linear")).save(trained)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".parquet", ".csv", ".npy", ".skops"}
    np.save(tmp_path / "clinical.linear" / "embeddings.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        _ = TrainedModelDataset(filepath=str(tmp_path / "clinical.linear")).load().embeddings


def test_a_model_survives_a_failed_replacement_and_no_part_of_the_old_one_survives_a_new_one(trained, tmp_path: Path):
    dataset = TrainedModelDataset(filepath=str(tmp_path / "models" / "clinical.linear"))
    dataset.save(trained)
    dataset.save(replace(trained, model=replace(trained.model, name="second"), importance=None))
    with pytest.raises(DatasetError):
        dataset.save(replace(trained, model=replace(trained.model, family=object())))
    assert dataset.load().model.name == "second"
    assert dataset.load().importance is None
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["clinical.linear"]


def test_predictions_that_break_their_contract_are_refused_and_nothing_is_written(trained, tmp_path: Path):
    broken = replace(trained, predictions=PREDICTIONS.assign(p_benign=0.9))
    with pytest.raises(DatasetError, match="does not keep its contract"):
        TrainedModelDataset(filepath=str(tmp_path / "clinical.linear")).save(broken)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_or_no_trained_model_is_refused(tmp_path: Path):
    dataset = TrainedModelDataset(filepath=str(tmp_path / "clinical.linear"))
    with pytest.raises(DatasetError, match=r"no trained model at .*clinical\.linear"):
        dataset.load()
    with pytest.raises(DatasetError):
        dataset.save("model")
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_type_is_refused_when_the_model_is_read(trained: TrainedModel, tmp_path: Path):
    foreign = Pipeline([("call", FunctionTransformer(os.path.basename))])
    dataset = TrainedModelDataset(filepath=str(tmp_path / "clinical.linear"))
    dataset.save(replace(trained, model=replace(trained.model, estimator=foreign)))
    loaded = dataset.load()
    assert len(loaded.predictions) == 2
    with pytest.raises(UntrustedModelError, match=r"basename.*kedro run"):
        _ = loaded.model


def test_an_unknown_kind_is_refused(trained: TrainedModel, tmp_path: Path):
    dataset = TrainedModelDataset(filepath=str(tmp_path / "clinical.linear"))
    dataset.save(trained)
    path = tmp_path / "clinical.linear" / "model" / "model.json"
    path.write_text(path.read_text().replace('"classifier"', '"shell"'))
    seal(path.parent)
    with pytest.raises(UntrustedModelError, match="'shell'"):
        _ = dataset.load().model


def test_a_family_comes_back_with_its_models_in_their_order(trained: TrainedModel, tmp_path: Path):
    other = replace(trained, predictions=PREDICTIONS.assign(model="a_second"))
    models = {"clinical.linear": trained, "clinical.a_second": other}
    for name, one in models.items():
        TrainedModelDataset(filepath=str(tmp_path / "models" / name)).save(one)
    dataset = FamilyDataset(filepath=str(tmp_path / "clinical_models"), models=str(tmp_path / "models"))
    assert not dataset.exists()
    dataset.save(Family(models))
    assert dataset.exists()
    loaded = dataset.load()
    assert list(loaded.models) == list(models)
    pd.testing.assert_frame_equal(loaded.models["clinical.a_second"].predictions, other.predictions)
    stored = pd.read_parquet(tmp_path / "clinical_models" / "predictions.parquet")
    pd.testing.assert_frame_equal(stored, Family(models).predictions)
    assert json.loads((tmp_path / "clinical_models" / "models.json").read_text()) == list(models)


def test_a_model_of_another_cohort_is_read_and_never_written(cohort, trained: TrainedModel, tmp_path: Path):
    folder = tmp_path / "bus-bra" / "clinical.linear"
    TrainedModelDataset(filepath=str(folder)).save(trained)
    dataset = FittedModelDataset(filepath=str(folder))
    assert dataset.exists()
    expected = trained.model.probabilities(cohort.inputs)
    np.testing.assert_array_equal(dataset.load().probabilities(cohort.inputs), expected)
    with pytest.raises(DatasetError, match="belongs to another cohort"):
        dataset.save(trained.model)


@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("imaging.descriptors_svm", "kedro run --pipeline imaging_models` .* `--env bus_bra`"),
        ("pretraining.small_cnn", "kedro run --pipeline pretraining` .* `--env bus_bra`"),
        ("fusion.late_mean", "kedro run --pipeline fusion` .* `--env bus_bra`"),
    ],
)
def test_a_missing_model_of_another_cohort_is_refused_with_the_command_that_makes_it(
    tmp_path: Path, model: str, command: str
):
    with pytest.raises(DatasetError, match=command):
        FittedModelDataset(filepath=str(tmp_path / "bus-bra" / model)).load()
