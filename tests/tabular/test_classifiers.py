"""The table of classifiers: one entry is enough to train, store and load; foreign types are refused; values checked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from lesion_fusion.models.base import load_model, save_model
from lesion_fusion.tabular import classifiers
from lesion_fusion.tabular.classifiers import CLASSIFIERS, UntrustedModelError, check_hyperparameters, foreign_types
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.tuning import tune
from tests.models.toy import fitted_tabular, small_cohort
from tests.tabular.toy import TUNING, toy_study

NEW = "histogram_boosting"


@pytest.fixture
def with_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table with one entry more."""
    entry = {NEW: lambda seed: HistGradientBoostingClassifier(random_state=seed)}
    monkeypatch.setattr(classifiers, "CLASSIFIERS", {**CLASSIFIERS, **entry})
    for user in ("lesion_fusion.tabular.parameters", "lesion_fusion.tabular.tuning", "tests.models.toy"):
        monkeypatch.setattr(f"{user}.CLASSIFIERS", classifiers.CLASSIFIERS)


@pytest.mark.medium
@pytest.mark.usefixtures("with_new")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_new_entry_is_trained(n_classes: int):
    study = toy_study(90, signal=1.0)
    labels = np.arange(90) % 3 if n_classes == 3 else study.positions()
    model = ClassifierParameters(classifier=NEW, views=("record",), grid={"max_iter": [5, 10], "learning_rate": [0.1]})
    tuned = tune(study.features, labels, study.cases["patient_id"].to_numpy(), model, TUNING, n_classes, 1)
    assert tuned.probabilities(study.features).shape == (90, n_classes)


@pytest.mark.medium
@pytest.mark.usefixtures("with_new")
def test_a_new_entry_is_stored_and_loaded(tmp_path: Path):
    cohort = small_cohort()
    model = fitted_tabular(cohort, ("record", "image_descriptors"), NEW)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), model.probabilities(cohort.inputs))


@pytest.mark.medium
def test_a_classifier_that_is_not_in_the_table_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    entry = {NEW: lambda seed: HistGradientBoostingClassifier(random_state=seed)}
    monkeypatch.setattr("tests.models.toy.CLASSIFIERS", {**CLASSIFIERS, **entry})
    save_model(fitted_tabular(small_cohort(), ("record",), NEW), tmp_path / "model")
    with pytest.raises(UntrustedModelError, match="_hist_gradient_boosting"):
        load_model(tmp_path / "model")


def test_types_that_no_classifier_is_made_of_are_foreign():
    assert foreign_types(["sklearn.tree._tree.Tree", "xgboost.core.Booster"]) == []
    assert foreign_types(["builtins.eval", "sklearn.tree._tree.Tree", "os.system"]) == ["builtins.eval", "os.system"]


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_default_values_are_accepted(name: str):
    given = CLASSIFIERS[name](0).get_params()
    check_hyperparameters(name, {key: value for key, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("random_forest", {"max_samples": 300}),
        ("gradient_boosting", {"n_iter_no_change": 3}),
        ("mlp", {"early_stopping": True, "hidden_layer_sizes": (5, 5)}),
        ("logistic_regression", {"solver": "saga", "l1_ratio": 1.0}),
    ],
)
def test_values_that_need_rows_are_accepted(name: str, values: dict):
    check_hyperparameters(name, values)
