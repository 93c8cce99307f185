"""A canary for each way a leak can enter: the project passes, the same check finds the rule broken on purpose.

Most checks work alike: the cases of an outer fold are spoilt (outliers, another category, flipped labels), and whatever
was fitted for that fold must stay the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_selection import f_classif
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lesion_fusion.cohort.folds import inner_folds, make_folds, outer_splits
from lesion_fusion.cohort.study import Study as StudyParameters
from lesion_fusion.evaluation.judge import Judge, summary
from lesion_fusion.models.base import Family, ModelName
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.classifier import train as train_classifier
from lesion_fusion.models.late import Late, LateResult, Member, fuse_out_of_fold
from lesion_fusion.models.late_rules import fit_rule
from lesion_fusion.tabular.calibration import Calibration, decision_threshold, log_odds
from lesion_fusion.tabular.encoding import make_encoder
from lesion_fusion.tabular.out_of_fold import NestedResult, evaluate_nested
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.tuning import TunedClassifier, tune
from tests.models.test_late import STRATEGIES
from tests.tabular.test_search import GRIDS
from tests.tabular.toy import CLASSES, LINEAR, TREE, TUNING, Study, altered, toy_study

FOLD, SEED = 0, 1
NUMBERS = ["age", "image_descriptor_area", "image_descriptor_entropy"]
Fitted = Callable[[Study], Any]


@cache
def intact_and_spoilt(n: int = 60) -> tuple[Study, Study]:
    """Return a study of n cases, and the same with the cases tested in the fold spoilt."""
    study = toy_study(n)
    _, test = study.split(FOLD)
    return study, altered(study, test)


def leaks(fitted: Fitted, n: int = 60) -> bool:
    """Return whether what was fitted for a fold changes with the cases tested in it."""
    study, spoilt = intact_and_spoilt(n)
    return not same(fitted(study), fitted(spoilt))


def same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def evaluated(study: Study, model: ClassifierParameters = LINEAR) -> NestedResult:
    return evaluate_nested(lambda *_: study.features, study.cases, study.folds, CLASSES, model, TUNING, SEED)


@cache
def linear(study: Study) -> NestedResult:
    """Return the nested evaluation of the linear model, which most canaries look at."""
    return evaluated(study)


def of_fold(study: Study) -> TunedClassifier:
    """Return what the nested evaluation fitted for the fold."""
    return linear(study).classifiers[FOLD]


def encoder_of(study: Study) -> Mapping[str, Any]:
    return of_fold(study).estimator["encode"].named_transformers_


def test_predictions(study: Study) -> tuple[np.ndarray, np.ndarray]:
    _, test = study.split(FOLD)
    return of_fold(study).probabilities(study.features.iloc[test]), study.positions()[test]


test_predictions.__test__ = False


@cache
def members(study: Study) -> list[NestedResult]:
    return [linear(study), evaluated(study, TREE)]


WEIGHTED = Late(members=("a", "b"), rule="weighted")


def fused(results: list[NestedResult], study: Study) -> LateResult:
    named = dict(zip("ab", (Member(r.predictions, r.inner_predictions) for r in results), strict=True))
    return fuse_out_of_fold(named, study.cases, CLASSES, WEIGHTED, TUNING, SEED)


def fused_inside(study: Study) -> np.ndarray:
    """All that late fusion fits for the fold: the rule, and through the inner predictions calibration and threshold."""
    result = fused(members(study), study)
    inner = result.inner_predictions[result.inner_predictions["fold"] == FOLD]
    threshold = result.predictions.loc[result.predictions["fold"] == FOLD, "threshold"].iloc[0]
    return np.concatenate([result.settled.loc[FOLD, ["a", "b"]].to_numpy(float), inner["p_malignant"], [threshold]])


def weights_from_outer_predictions(study: Study) -> np.ndarray:
    _, test = study.split(FOLD)
    tables = [result.predictions for result in members(study)]
    outer = [table[table["fold"] == FOLD][["p_benign", "p_malignant"]].to_numpy() for table in tables]
    return fit_rule("weighted", None, np.stack(outer), study.positions()[test], 0.9, SEED).weights


@cache
def tuned_on_all(study: Study) -> TunedClassifier:
    groups = study.cases["patient_id"].to_numpy()
    return tune(study.features, study.positions(), groups, LINEAR, TUNING, 2, SEED)


def calibrated_on_test(study: Study) -> np.ndarray:
    probabilities, labels = test_predictions(study)
    found = Calibration.fit(log_odds(probabilities), labels, 2)
    return np.append(found.slope, found.intercept)


def fitted_calibration(study: Study) -> np.ndarray:
    found = of_fold(study).calibration
    return np.append(found.slope, found.intercept)


# For each part: how the project fits it, and how it would be fitted if the rule were broken.
CANARIES: dict[str, tuple[Fitted, Fitted]] = {
    "scaler": (
        lambda study: encoder_of(study)["numbers"]["scale"].mean_,
        lambda study: StandardScaler().fit(study.features[NUMBERS]).mean_,
    ),
    "imputer": (
        lambda study: encoder_of(study)["numbers"]["impute"].statistics_,
        lambda study: SimpleImputer(strategy="median").fit(study.features[NUMBERS]).statistics_,
    ),
    "encoder": (
        lambda study: of_fold(study).estimator["encode"].get_feature_names_out().astype(str),
        lambda study: OneHotEncoder().fit(study.features[["shape"]].fillna("")).get_feature_names_out().astype(str),
    ),
    "tuning": (
        lambda study: of_fold(study).grid_scores["score"],
        lambda study: tuned_on_all(study).grid_scores["score"],
    ),
    "classifier": (
        lambda study: of_fold(study).estimator["classify"].coef_,
        lambda study: tuned_on_all(study).estimator["classify"].coef_,
    ),
    "calibration": (fitted_calibration, calibrated_on_test),
    "threshold": (
        lambda study: of_fold(study).threshold,
        lambda study: decision_threshold(*test_predictions(study), 0.95),
    ),
    "inner predictions": (
        lambda study: of_fold(study).inner_probabilities,
        lambda study: tuned_on_all(study).inner_probabilities[study.split(FOLD)[0]],
    ),
    "fusion weights": (fused_inside, weights_from_outer_predictions),
}


@pytest.mark.parametrize("part", CANARIES)
def test_what_is_fitted_for_a_fold_never_sees_the_cases_tested_in_it(part: str):
    fitted, _ = CANARIES[part]
    assert not leaks(fitted)


@pytest.mark.parametrize("part", CANARIES)
def test_the_same_check_finds_the_rule_broken(part: str):
    _, broken = CANARIES[part]
    assert leaks(broken)


@cache
def others_spoilt() -> Study:
    """Return the intact study with the second half of the fold's test cases spoilt."""
    study, _ = intact_and_spoilt()
    _, test = study.split(FOLD)
    return altered(study, test[len(test) // 2 :])


def undisturbed(predict: Callable[[Study], np.ndarray]) -> bool:
    """Return whether predictions of some test cases stay the same when others of their fold are spoilt."""
    study, _ = intact_and_spoilt()
    half = len(study.split(FOLD)[1]) // 2
    return same(predict(study)[:half], predict(others_spoilt())[:half])


@pytest.mark.medium
def test_a_prediction_does_not_depend_on_the_other_test_cases():
    def standardised_by_the_test_fold(study: Study) -> np.ndarray:
        _, test = study.split(FOLD)
        tested = make_encoder(NUMBERS, 2).fit_transform(study.features[NUMBERS].iloc[test])
        train = make_encoder(NUMBERS, 2).fit_transform(study.features[NUMBERS].iloc[study.split(FOLD)[0]])
        columns = min(tested.shape[1], train.shape[1])
        classifier = clone(of_fold(study).estimator["classify"])
        classifier.fit(train[:, :columns], study.positions()[study.split(FOLD)[0]])
        return classifier.predict_proba(tested[:, :columns])

    assert undisturbed(lambda study: test_predictions(study)[0])
    assert not undisturbed(standardised_by_the_test_fold)


def test_a_category_seen_only_in_the_test_fold_is_predicted_without_having_been_learned():
    study, spoilt = intact_and_spoilt()
    train, _ = study.split(FOLD)
    assert "round" not in set(study.features["shape"].iloc[train])
    of_all = linear(spoilt).predictions
    assert np.isfinite(of_all.loc[of_all["fold"] == FOLD, "p_malignant"]).all()
    estimator = of_fold(spoilt).estimator
    column = estimator["encode"].get_feature_names_out().tolist().index("shape: round")
    assert estimator["classify"].coef_[0, column] == 0


def memorised(probabilities: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether labels that no feature predicts are predicted all the same."""
    return roc_auc_score(labels, probabilities[:, 1]) > 0.8


def test_inner_predictions_are_of_cases_their_classifier_did_not_see():
    study = toy_study(90, signal=0, seed=3)
    deep = TREE.model_copy(update={"grid": {"max_depth": [None]}})
    train, _ = study.split(FOLD)
    labels = study.positions()[train]
    tuned = evaluated(study, deep).classifiers[FOLD]
    assert not memorised(tuned.inner_probabilities, labels)
    assert memorised(tuned.estimator.predict_proba(study.features.iloc[train]), labels)


def embeddings_canary(shift: int) -> bool:
    """Return whether a fold's test cases are predicted from embeddings of a network that learned their labels.

    Each fold's network gives the cases it was trained on their label, the others noise. `shift` hands each fold the
    embeddings of another fold's network.
    """
    study = toy_study(90, signal=0, seed=2)
    rng = np.random.default_rng(0)
    learned = np.repeat((2.0 * study.positions() - 1)[:, None], 3, axis=1)
    arrays = []
    for fold in range(3):
        _, test = study.split(fold)
        embedding = learned + rng.normal(0, 0.1, learned.shape)
        embedding[test] = rng.normal(0, 1, (len(test), 3))
        arrays.append(embedding)
    embeddings = np.stack([*np.roll(arrays, shift, axis=0), learned])
    network = SimpleNamespace(embeddings=embeddings, model=SimpleNamespace(network=None, image_input=None))
    predictions = train_classifier(
        Classifier(
            classifier="logistic_regression", views=("embeddings",), network="imaging.n", embedding_components=2
        ),
        StudyParameters(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=SEED),
        TUNING,
        study.cases,
        study.folds,
        pd.DataFrame(),
        model=ModelName("fusion", "intermediate"),
        imaging_models=Family({"imaging.n": network}),
    ).predictions
    return memorised(predictions[["p_benign", "p_malignant"]].to_numpy(), predictions["label"] == "malignant")


@pytest.mark.medium
def test_embeddings_are_of_a_network_that_did_not_see_the_case():
    assert not embeddings_canary(shift=0)
    assert embeddings_canary(shift=1)


def divided(splits: Iterable[tuple[np.ndarray, np.ndarray]], patients: np.ndarray) -> bool:
    """Return whether a patient stands on both sides of a split."""
    return any(set(patients[train]) & set(patients[test]) for train, test in splits)


def test_no_patient_stands_on_both_sides_outer_or_inner():
    study = toy_study(90, images_per_patient=3)
    patients, labels = study.cases["patient_id"].to_numpy(), study.positions()
    outer = [(train, test) for _, _, train, test in outer_splits(study.folds, study.cases["case_id"])]
    by_case = list(StratifiedKFold(3, shuffle=True, random_state=0).split(labels, labels))
    assert not divided(outer, patients)
    assert divided(by_case, patients)
    for train, _ in outer:
        assert not divided(inner_folds(labels[train], patients[train], 3, SEED), patients[train])


def test_tuning_inside_a_fold_keeps_patients_together(monkeypatch: pytest.MonkeyPatch):
    study = toy_study(90, images_per_patient=3)
    seen = []

    def noting(labels: np.ndarray, groups: np.ndarray, *rest: int) -> list:
        seen.append((inner_folds(labels, groups, *rest), groups))
        return seen[-1][0]

    monkeypatch.setattr("lesion_fusion.tabular.tuning.inner_folds", noting)
    evaluated(study)
    assert len(seen) == 4
    assert not any(divided(splits, groups) for splits, groups in seen)
    assert all(pd.Series(groups).value_counts().max() == 3 for _, groups in seen)


def test_class_weights_come_from_training_rows_alone():
    from lesion_fusion.imaging.training import case_weights

    def weights(rows: Callable[[Study], np.ndarray]) -> Fitted:
        return lambda study: case_weights(study.positions(), rows(study), True)[study.split(FOLD)[0]]

    assert not leaks(weights(lambda study: study.split(FOLD)[0]))
    assert leaks(weights(lambda study: np.arange(len(study.cases))))


@pytest.mark.slow
def test_a_folds_network_never_sees_its_test_cases(monkeypatch: pytest.MonkeyPatch):
    from lesion_fusion.imaging.folds import FoldResult
    from lesion_fusion.imaging.out_of_fold import train_out_of_fold
    from lesion_fusion.imaging.parameters import NetworkParameters

    monkeypatch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (4, 8))
    parameters = NetworkParameters(
        backbone="small_cnn", epochs=2, batch_size=8, augmentation=0.5, class_weights=True, optimizer="adam"
    )

    @cache
    def trained(study: Study) -> tuple[FoldResult, ...]:
        brightness = study.features[["image_descriptor_area", "image_descriptor_entropy"]].to_numpy()
        images = np.broadcast_to((20 * np.abs(brightness) % 256)[:, None, None], (len(brightness), 16, 16, 2))
        folds = study.folds.set_index("case_id")["fold"].reindex(study.cases["case_id"]).to_numpy()
        patients = study.cases["patient_id"].to_numpy()
        return train_out_of_fold(
            images.astype("uint8"), study.positions(), patients, folds, 2, parameters, SEED, refit=False
        ).folds

    def learned(fold: int) -> Fitted:
        return lambda study: np.concatenate([array.ravel() for array in trained(study)[fold].weights])

    assert not leaks(learned(FOLD), 36)
    # Another fold's network was trained on those cases, so the check has something to find.
    assert leaks(learned(FOLD + 1), 36)


def auroc(study: Study, predictions: pd.DataFrame, confidence: float = 0.99) -> dict[str, float]:
    table = ModelName("clinical", "toy").identify(predictions, "leak-free")
    return summary(table, Judge(study.cases, 300, confidence, SEED))["auroc"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_classifier_and_no_late_fusion_finds_anything_where_labels_were_permuted():
    study = toy_study(300, signal=2.0, seed=20)
    permuted = study.cases.assign(label=np.random.default_rng(0).permutation(study.cases["label"]))
    null = Study(permuted, study.features, make_folds(permuted, 3, 1, 0))
    models = {name: ClassifierParameters(classifier=name, views=("record",), grid=grid) for name, grid in GRIDS.items()}
    results = {name: evaluated(null, model) for name, model in models.items()}
    joined = {name: Member(results[name].predictions, results[name].inner_predictions) for name in ("mlp", "xgboost")}
    predictions = {name: result.predictions for name, result in results.items()} | {
        name: fuse_out_of_fold(joined, permuted, CLASSES, Late(members=tuple(joined), **rule), TUNING, SEED).predictions
        for name, rule in STRATEGIES.items()
    }
    # As Holm's procedure begins: none is beyond chance where not even the furthest is at the level over their number.
    confidence = 1 - 0.05 / len(predictions)
    for name, table in predictions.items():
        found = auroc(null, table, confidence)
        assert found["low"] <= 0.5 <= found["high"], name
    assert auroc(study, evaluated(study, TREE).predictions, confidence)["low"] > 0.5


@pytest.mark.medium
def test_features_chosen_by_all_labels_would_be_found_out():
    rng = np.random.default_rng(0)
    study = toy_study(90, signal=0)
    noise = pd.DataFrame(rng.normal(size=(90, 400)), index=study.features.index).add_prefix("image_descriptor_")
    strength, _ = f_classif(noise, study.positions())
    chosen = Study(study.cases, noise.iloc[:, np.argsort(strength)[-8:]], study.folds)
    blind = Study(study.cases, noise.iloc[:, :8], study.folds)
    assert auroc(study, evaluated(chosen).predictions)["low"] > 0.5
    assert auroc(study, evaluated(blind).predictions)["low"] <= 0.5
