"""The nodes over all models of a family: what they hand on of each model, and the gallery of a network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.hooks.reuse import records
from lesion_fusion.imaging.attention import attention_table
from lesion_fusion.imaging.case_files import lesion_masks
from lesion_fusion.imaging.parameters import ImageInput, NetworkParameters
from lesion_fusion.models.base import Family, TrainedModel
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late import Late
from lesion_fusion.models.network import FittedNetwork, Network, last_repeat
from lesion_fusion.pipelines.family import nodes
from lesion_fusion.pipelines.family.nodes import (
    collect,
    draw_family,
    evaluate_family,
    flatten,
    gallery,
    gather_results,
)
from lesion_fusion.pipelines.family.pipeline import family_pipeline
from lesion_fusion.plots.pictures import Picture, picture_grid
from lesion_fusion.tabular.calibration import Calibration
from lesion_fusion.tabular.out_of_fold import REFIT
from tests.models.toy import CLASSES, Cohort, fitted_tabular, small_cohort

INPUT = ImageInput(size=24)
CLASSIFIER = Classifier(classifier="logistic_regression", views=("record",), grid={"C": [0.1, 1.0]})
NETWORK = Network(image_input="crop_with_mask", network=NetworkParameters(backbone="small_cnn"))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def cases(cohort: Cohort) -> pd.DataFrame:
    return cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])


def predictions_of(cases: pd.DataFrame, family: str, model: str) -> pd.DataFrame:
    """Predictions in two repeats of two folds."""
    malignant = np.random.default_rng(0).uniform(size=2 * len(cases))
    twice = pd.concat([cases[["case_id", "label"]]] * 2, ignore_index=True)
    return twice.assign(
        protocol="leak-free",
        family=family,
        model=model,
        repeat=np.repeat([0, 1], len(cases)),
        fold=np.arange(2 * len(cases)) % 2,
        p_benign=1 - malignant,
        p_malignant=malignant,
        threshold=0.5,
    )


@pytest.fixture(scope="module")
def network(cohort: Cohort, cases: pd.DataFrame) -> TrainedModel:
    """A network as its training hands it on; it was never trained, and nothing here asks it."""
    keras: Any = None
    one = np.random.default_rng(1).normal(size=(len(cases), 3, 3)).astype("float32")
    class_maps = np.stack([-one, one], axis=-1)
    predictions = predictions_of(cases, "imaging", "network")
    masks = list(lesion_masks(cases, cohort.masks, INPUT))
    epochs = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.6], "val_loss": [0.8, 0.7], "learning_rate": 1e-3})
    epochs = epochs.assign(accuracy=0.6, val_accuracy=0.5, auroc=0.7, val_auroc=0.6)
    refit = epochs.drop(columns=["val_loss", "val_accuracy", "val_auroc"]).assign(repeat=REFIT, fold=REFIT)
    return TrainedModel(
        parameters=NETWORK,
        predictions=predictions,
        inner_predictions=predictions.iloc[:0],
        training_log=pd.concat([epochs.assign(repeat=0, fold=0), epochs.assign(repeat=0, fold=1), refit]),
        model=FittedNetwork("imaging", "network", CLASSES, 0.5, keras, INPUT, Calibration.identity(2)),
        class_maps=class_maps,
        attention=attention_table(last_repeat(predictions, cases), CLASSES, class_maps, masks),
    )


@pytest.fixture(scope="module")
def classifier(cohort: Cohort, cases: pd.DataFrame) -> TrainedModel:
    predictions = predictions_of(cases, "clinical", "logistic_regression")
    log = pd.DataFrame({"repeat": 0, "fold": [0, 0, 1, 1], "C": ["0.1", "1.0"] * 2, "score": [0.6, 0.7, 0.8, 0.7]})
    importance = pd.DataFrame({"repeat": 0, "fold": [0, 1], "column": "age", "drop": [0.1, 0.2]})
    return TrainedModel(
        parameters=CLASSIFIER,
        predictions=predictions,
        inner_predictions=predictions.iloc[:0],
        training_log=log.assign(chosen=[False, True, True, False]),
        model=fitted_tabular(cohort, ("record",)),
        importance=importance,
    )


@pytest.fixture(scope="module")
def judge(cases: pd.DataFrame) -> Judge:
    return Judge(cases[["case_id", "patient_id"]], 50, study={"cohort": "toy"})


@pytest.fixture(scope="module")
def family(classifier: TrainedModel, network: TrainedModel) -> Family:
    return collect(**{"clinical.logistic_regression": classifier, "imaging.network": network})


def test_a_family_is_its_models_by_name_and_one_table_of_predictions(family: Family):
    assert list(family.models) == ["clinical.logistic_regression", "imaging.network"]
    assert family.predictions.groupby("model", sort=False).size().to_dict() == {
        "logistic_regression": 48,
        "network": 48,
    }


def test_every_model_has_metrics_and_a_network_its_attention_by_class(family: Family, judge: Judge):
    evaluated = evaluate_family(family, judge)
    assert set(evaluated) == set(family.models)
    for found in evaluated.values():
        assert found["metrics"]["auroc"]["low"] <= found["metrics"]["auroc"]["estimate"]
    assert evaluated["clinical.logistic_regression"]["attention"] == []
    assert [row["label"] for row in evaluated["imaging.network"]["attention"]] == list(CLASSES)


@pytest.mark.medium
def test_runs_show_metrics_plots_tables_and_curves_of_their_own_model(
    family: Family, judge: Judge, cohort: Cohort, cases: pd.DataFrame
):
    evaluated = evaluate_family(family, judge)
    plots = draw_family(family, evaluated, judge, cases, cohort.images, cohort.masks)
    assert all(picture.startswith(b"\x89PNG") for picture in plots.values())
    runs = gather_results(family, evaluated, plots, judge, cases)
    classifier, network = runs
    assert set(classifier.plots) == {"evaluation.png", "permutation_importance.png"}
    assert set(network.plots) == {"evaluation.png", "attention.png", "training_curves.png", "gallery.png"}
    shared = {"predictions.csv", "training_log.csv"}
    assert set(classifier.tables) == shared | {"tuning_results.csv", "permutation_importance.csv"}
    assert set(network.tables) == shared | {"attention.csv", "attention_by_class.csv"}
    auroc = evaluated["clinical.logistic_regression"]["metrics"]["auroc"]
    assert classifier.metrics["auroc"] == auroc["estimate"]
    assert (classifier.metrics["auroc_low"], classifier.metrics["auroc_high"]) == (auroc["low"], auroc["high"])
    assert classifier.parameters["grid.C"] == "[0.1, 1.0]"
    assert classifier.tags == {"cohort": "toy", "needs": "metadata, descriptors"}
    assert network.tags["needs"] == "image, mask"
    assert classifier.note.endswith("pooled out of fold over 24 cases. Needs: metadata, descriptors.")
    # Two repeats of two folds; a training on all cases has no validation part.
    assert list(classifier.histories) == ["fold_auroc"]
    assert len(network.histories["fold_auroc"]) == 4
    assert network.histories["repeat_0_fold_1/val_loss"] == {1: 0.8, 2: 0.7}
    assert network.histories["all_cases/loss"] == {1: 0.7, 2: 0.6}
    assert "all_cases/val_loss" not in network.histories


def test_nested_parameters_become_one_level():
    assert flatten({"network": {"epochs": 3, "more": {}}, "seed": 1}) == {
        "network.epochs": "3",
        "network.more": "{}",
        "seed": "1",
    }


def test_attention_is_of_the_last_repeat_and_of_each_cases_own_map(
    network: TrainedModel, cohort: Cohort, cases: pd.DataFrame
):
    masks = list(lesion_masks(cases, cohort.masks, INPUT))
    shuffled = last_repeat(network.predictions.sample(frac=1, random_state=0), cases)
    assert network.class_maps is not None
    assert network.attention is not None
    found = attention_table(shuffled, CLASSES, network.class_maps, masks)
    pd.testing.assert_frame_equal(found, network.attention)
    assert found["case_id"].tolist() == cases["case_id"].tolist()
    last = network.predictions[network.predictions["repeat"] == 1]
    np.testing.assert_allclose(found["p"], np.maximum(last["p_benign"], last["p_malignant"]))


@pytest.mark.medium
def test_the_gallery_is_the_same_for_any_order_of_predictions(
    network: TrainedModel, cohort: Cohort, cases: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    drawn: list[list[tuple[str, list[Picture | None]]]] = []

    def noting(rows: Any, *_rest: Any) -> Any:
        drawn.append(rows)
        return picture_grid(rows[:1])

    monkeypatch.setattr(nodes, "picture_grid", noting)

    def texts(predictions: pd.DataFrame) -> list[list[str]]:
        trained = TrainedModel(
            NETWORK, predictions, predictions, network.training_log, network.model, class_maps=network.class_maps
        )
        gallery("imaging.network", trained, cases, cohort.images, cohort.masks)
        return [[picture.text for picture in pictures if picture] for _, pictures in drawn[-1]]

    found = texts(network.predictions)
    assert [len(row) for row in found] == [6] * 6
    assert found == texts(network.predictions.sample(frac=1, random_state=0))
    # Pictures of cases and of heat take turns, row by row.
    assert all("p(" in text for row in found[::2] for text in row)
    assert {text for row in found[1::2] for text in row} == {"for benign", "for malignant"}


def test_only_training_depends_on_which_models_there_are():
    entries = {"one": CLASSIFIER, "two": NETWORK}
    of_family = {node.name: node for node in family_pipeline("imaging", "imaging_models", entries).nodes}
    assert {name for name in of_family if name.endswith(".train")} == {"imaging.one.train", "imaging.two.train"}
    for fewer in ({"one": CLASSIFIER}, {}):
        for node in family_pipeline("imaging", "imaging_models", fewer).nodes:
            if not node.name.endswith((".train", ".collect")):
                assert (node.inputs, node.outputs) == (of_family[node.name].inputs, of_family[node.name].outputs)


def test_a_change_of_a_model_makes_those_of_other_families_out_of_date_that_read_it_and_no_others():
    late = Late(members=("clinical.one", "imaging.two"))
    pipeline = (
        family_pipeline("clinical", "clinical_models", {"one": CLASSIFIER, "other": CLASSIFIER})
        + family_pipeline("imaging", "imaging_models", {"two": CLASSIFIER})
        + family_pipeline("fusion", "fusion", {"late": late})
    )

    def found(**changed: int) -> dict[str, str]:
        made = records(pipeline, {f"params:clinical.{name}": value for name, value in changed.items()}, str)
        return {name: record["digest"] for name, record in made.items()}

    before = found()
    made = pipeline.all_outputs()
    assert {"clinical.one.trained", "fusion.late.trained"} <= {n for n in made if found(one=1)[n] != before[n]}
    out_of_date = {name for name in made if found(other=1)[name] != before[name]}
    assert {"clinical.other.trained", "clinical_models", "clinical_metrics"} <= out_of_date
    assert "fusion.late.trained" not in out_of_date
    assert "clinical.one.trained" not in out_of_date
