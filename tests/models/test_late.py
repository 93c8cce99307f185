"""Late fusion: fold by fold, matched by case; where a part of the case is missing; stored; members without a signal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.cohort.study import Study as StudyParameters
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import GIVEN, Family, ModelName, Need, TrainedModel, load_model, save_model
from lesion_fusion.models.classifier import Classifier, FittedClassifier
from lesion_fusion.models.domain import Domain
from lesion_fusion.models.late import (
    FittedFusion,
    FittedLate,
    Late,
    LateResult,
    Member,
    answering,
    common_trainings,
    fit_fusion,
    fuse_out_of_fold,
    train,
)
from lesion_fusion.models.late_rules import MajorityVote, Mean, Stacking, Weighted, make_stacker
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.statistics import delong
from lesion_fusion.tabular.calibration import Calibration, log_odds
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.out_of_fold import REFIT, evaluate_nested
from lesion_fusion.tabular.parameters import DecisionRule, Tuning
from tests.models.toy import (
    CLASSES,
    TUNING,
    Cohort,
    drawn_members,
    drawn_probabilities,
    fitted_late,
    fitted_tabular,
    small_cohort,
)
from tests.tabular.toy import LINEAR, TREE, Study, toy_study

NAMES = ("clinical.a", "imaging.b")
ENTRIES = {
    "mean": Late(members=NAMES, rule="mean"),
    "majority_vote": Late(members=NAMES, rule="majority_vote"),
    "weighted": Late(members=NAMES, rule="weighted"),
    "stacking": Late(members=NAMES, rule="stacking", classifier="logistic_regression"),
    "boosting": Late(members=NAMES, rule="stacking", classifier="gradient_boosting"),
}
DECISION = Tuning(inner_folds=3, decision=DecisionRule(minimum_sensitivity=0.9))
IDENTITY = Calibration(np.array([[1.0]]), np.array([0.0]))


@pytest.fixture(scope="module")
def study() -> Study:
    return toy_study(60, signal=1.0, images_per_patient=2)


@pytest.fixture(scope="module")
def members(study: Study) -> dict[str, Member]:
    record, image = study.features[["age", "shape"]], study.features.filter(like="image_")
    results = [
        evaluate_nested(lambda *_: record, study.cases, study.folds, CLASSES, LINEAR, TUNING, 1),
        evaluate_nested(lambda *_: image, study.cases, study.folds, CLASSES, TREE, TUNING, 1),
    ]
    return {name: Member(r.predictions, r.inner_predictions) for name, r in zip(NAMES, results, strict=True)}


def fused(members: dict[str, Member], study: Study, rule: str = "weighted") -> LateResult:
    return fuse_out_of_fold(members, study.cases, CLASSES, ENTRIES[rule], DECISION, 1)


@pytest.mark.medium
@pytest.mark.parametrize("rule", ENTRIES)
def test_every_case_is_fused_once_with_one_threshold_per_fold(members, study, rule: str):
    result = fused(members, study, rule)
    assert sorted(result.predictions["case_id"]) == sorted(study.cases["case_id"])
    np.testing.assert_allclose(result.predictions[["p_benign", "p_malignant"]].sum(axis=1), 1)
    assert (result.predictions.groupby("fold")["threshold"].nunique() == 1).all()
    assert result.settled["fold"].tolist() == [0, 1, 2, REFIT]
    assert list(result.settled) == ["repeat", "fold", *NAMES]
    # The minimum sensitivity holds on the fusion's own inner predictions.
    inner = result.inner_predictions[result.inner_predictions["fold"] == 0]
    threshold = result.predictions.loc[result.predictions["fold"] == 0, "threshold"].iloc[0]
    assert (inner.loc[inner["label"] == "malignant", "p_malignant"] >= threshold).mean() >= 0.9


@pytest.mark.medium
@pytest.mark.parametrize("rule", ENTRIES)
def test_the_order_of_rows_and_members_changes_nothing(members, study, rule: str):
    shuffled = {
        name: Member(*(t.sample(frac=1, random_state=i) for t in (member.predictions, member.inner_predictions)))
        for i, (name, member) in enumerate(reversed(members.items()))
    }
    other_study = Study(study.cases.sample(frac=1, random_state=3), study.features, study.folds)
    one, other = fused(members, study, rule), fused(shuffled, other_study, rule)
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    pd.testing.assert_frame_equal(one.settled, other.settled, check_exact=True)
    assert one.fitted.threshold == other.fitted.threshold


def test_an_uncalibrated_mean_is_the_mean_and_learns_nothing(members, study):
    thresholds = dict(zip(members, (0.2, 0.5), strict=True))
    own = {name: replace(member, threshold=thresholds[name]) for name, member in members.items()}
    uncalibrated = Late(members=NAMES, calibrated=False)
    found = fuse_out_of_fold(own, study.cases, CLASSES, uncalibrated, DECISION, 1)
    tables = [member.predictions.set_index("case_id")["p_malignant"] for member in members.values()]
    mean = pd.concat(tables, axis=1).mean(axis=1)
    fused_here = found.predictions.set_index("case_id")["p_malignant"]
    pd.testing.assert_series_equal(fused_here.sort_index(), mean.sort_index(), check_names=False)
    assert set(found.predictions["threshold"]) == {0.35}
    # Other labels, the same answers.
    swapped = {
        name: replace(
            member,
            inner_predictions=member.inner_predictions.assign(
                label=member.inner_predictions["label"].iloc[::-1].values
            ),
        )
        for name, member in own.items()
    }
    again = fuse_out_of_fold(swapped, study.cases, CLASSES, uncalibrated, DECISION, 1)
    pd.testing.assert_frame_equal(again.predictions, found.predictions, check_exact=True)
    assert again.fitted == found.fitted


def test_members_are_fused_over_the_cases_all_of_them_predicted(members, study):
    first, second = members.values()
    left_out = second.predictions["case_id"].iloc[0]
    fewer = Member(second.predictions[second.predictions["case_id"] != left_out], second.inner_predictions)
    result = fused({NAMES[0]: first, NAMES[1]: fewer}, study)
    assert set(first.predictions["case_id"]) - set(result.predictions["case_id"]) == {left_out}


def test_a_repeat_that_one_member_lacks_is_left_out(members, study):
    first, second = members.values()
    longer = Member(*(pd.concat([t, t.assign(repeat=1)]) for t in (first.predictions, first.inner_predictions)))
    both = {NAMES[0]: longer, NAMES[1]: second}
    assert common_trainings(both) == [(0, 0), (0, 1), (0, 2)]
    assert fused(both, study).predictions["repeat"].unique().tolist() == [0]


def test_the_member_that_knows_more_gets_more(members, study):
    first, second = members.values()
    noise = np.random.default_rng(0).uniform(0.05, 0.95, len(second.inner_predictions))
    useless = second.inner_predictions.assign(p_benign=1 - noise, p_malignant=noise)
    settled = fused({NAMES[0]: first, NAMES[1]: Member(second.predictions, useless)}, study).settled
    assert (settled[NAMES[0]] > settled[NAMES[1]]).all()


def test_calibration_and_inner_predictions_come_from_rules_that_did_not_see_the_case():
    probabilities, labels = drawn_probabilities(0.3, 0.3, n=120)
    greedy = Late(members=NAMES, rule="stacking", classifier="k_nearest_neighbours")
    groups = np.arange(120)
    fitted, inner = fit_fusion(greedy, probabilities, labels, groups, DECISION, 0)
    seen = fitted.rule.scores(probabilities)
    sure = log_odds(Calibration.fit(seen, labels, 2).probabilities(seen))
    assert np.abs(log_odds(inner)).mean() < 0.7 * np.abs(sure).mean()
    # One patient's cases never lie on both sides: copies of a case under its patient bring nothing.
    copied = np.repeat(probabilities, 2, axis=1), np.repeat(labels, 2), np.repeat(groups, 2)
    _, of_copies = fit_fusion(greedy, *copied, DECISION, 0)
    assert np.abs(log_odds(of_copies)).mean() < 0.7 * np.abs(sure).mean()


def test_too_few_cases_in_common_are_refused_with_how_to_fix_it():
    probabilities, labels = drawn_probabilities(1.0, 1.0, n=20)
    labels[:] = 0
    labels[:2] = 1
    groups = np.where(np.arange(20) < 2, 0, np.arange(20))
    with pytest.raises(SmallCohortError, match=r"clinical\.a, imaging\.b.*two patients of each class"):
        fit_fusion(ENTRIES["mean"], probabilities, labels, groups, DECISION, 0)


# Training: what it hands on where a part of the case is missing.

STUDY = StudyParameters(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
MEMBERS = ("clinical.a", "imaging.b", "imaging.c")
ENTRY = Classifier(classifier="logistic_regression", views=("record",))


def stub(threshold: float, *views: str) -> FittedClassifier:
    """A fitted classifier that is asked only what it needs."""
    columns = ("age",) if "record" in views else ()
    return FittedClassifier("any", "stub", CLASSES, threshold, views, columns, (), None, IDENTITY)


RECORD_STUB, IMAGE_STUB = stub(0.3, "record"), stub(0.6, "image_descriptors")
BOTH_STUB = stub(0.5, "record", "image_descriptors")


def in_families(drawn: Mapping[str, tuple[Member, FittedClassifier]]) -> dict[str, Family]:
    """Drawn members with their fitted forms as fusion is given them: `<family>_models`."""
    models: dict[str, dict[str, Any]] = {}
    for name, (member, fitted) in drawn.items():
        trained = TrainedModel(ENTRY, member.predictions, member.inner_predictions, pd.DataFrame(), fitted)
        models.setdefault(f"{ModelName.parse(name).family}_models", {})[name] = trained
    return {dataset: Family(found) for dataset, found in models.items()}


def fuse(
    *stubs: FittedClassifier, names: tuple[str, ...] = MEMBERS, calibrated: bool = True
) -> tuple[TrainedModel, dict[str, Member]]:
    """Fuse three drawn members, each with one of the fitted forms, named in this order."""
    drawn, cases = drawn_members(3.0, 1.5, 1.0, n=120, seed=0)
    sources = in_families(dict(zip(MEMBERS, zip(drawn.values(), stubs, strict=True), strict=True)))
    parameters, model = Late(members=names, calibrated=calibrated), ModelName("fusion", "late")
    assert set(sources) <= set(parameters.inputs(model))
    return train(parameters, STUDY, TUNING, cases, model=model, **sources), drawn


@pytest.mark.medium
def test_without_the_image_the_record_answers_and_without_the_record_the_images_fused_anew():
    trained, drawn = fuse(RECORD_STUB, IMAGE_STUB, IMAGE_STUB)
    less = trained.reduced_predictions
    assert set(less["without"]) == {"record", "image", "mask"}
    for without, rows in less.groupby("without"):
        table = validate_predictions(rows.drop(columns="without"))
        assert sorted(table["case_id"]) == sorted(trained.predictions["case_id"]), without
    own = drawn["m0"].predictions.sort_values("case_id")["p_malignant"].to_numpy()
    without_image = less[less["without"] == "image"].sort_values("case_id")["p_malignant"].to_numpy()
    np.testing.assert_array_equal(without_image, own)
    images = trained.model.reduced({Need.IMAGE, Need.MASK})
    assert tuple(images.members) == ("imaging.b", "imaging.c")
    assert images.threshold != trained.model.threshold


@pytest.mark.medium
def test_an_uncalibrated_fusion_decides_at_the_mean_of_its_members_thresholds_whichever_members_answer():
    trained, _ = fuse(RECORD_STUB, IMAGE_STUB, IMAGE_STUB, calibrated=False)
    assert trained.model.threshold == pytest.approx(0.5)
    assert trained.predictions["threshold"].to_numpy() == pytest.approx(0.5)
    assert trained.model.reduced({Need.IMAGE, Need.MASK}).threshold == pytest.approx(0.6)


@pytest.mark.medium
def test_a_part_that_all_members_need_has_no_reduced_predictions():
    trained, _ = fuse(BOTH_STUB, IMAGE_STUB, IMAGE_STUB)
    assert set(trained.reduced_predictions["without"]) == {"record"}
    assert trained.model.reduced({Need.RECORD}) is None
    trained, _ = fuse(BOTH_STUB, BOTH_STUB, BOTH_STUB)
    assert list(trained.reduced_predictions) == [*trained.predictions, "without"]
    assert trained.reduced_predictions.empty


@pytest.mark.medium
def test_the_order_in_which_members_are_named_changes_nothing():
    one, _ = fuse(RECORD_STUB, IMAGE_STUB, IMAGE_STUB)
    other, _ = fuse(RECORD_STUB, IMAGE_STUB, IMAGE_STUB, names=("imaging.c", "clinical.a", "imaging.b"))
    for part in ("predictions", "inner_predictions", "training_log", "reduced_predictions"):
        pd.testing.assert_frame_equal(getattr(one, part), getattr(other, part), check_exact=True)


@pytest.mark.medium
@pytest.mark.parametrize("rule", ["mean", "majority_vote"])
def test_a_family_other_than_fusion_may_have_one(rule: str):
    drawn, cases = drawn_members(1.0, 1.0, n=100, seed=0)
    names = ("clinical.a", "clinical.b")
    family = in_families({name: (member, RECORD_STUB) for name, member in zip(names, drawn.values(), strict=True)})
    parameters, model = Late(members=names, rule=rule), ModelName("clinical", "ensemble")
    assert {f"{name}.trained" for name in names} <= set(parameters.inputs(model))
    sources = {f"{name}.trained": trained for name, trained in family["clinical_models"].models.items()}
    trained = train(parameters, STUDY, TUNING, cases, model=model, **sources)
    assert trained.predictions["family"].unique().tolist() == ["clinical"]
    assert trained.model.reduced({Need.RECORD}) is trained.model
    assert trained.model.reduced({Need.IMAGE}) is None


@pytest.mark.medium
def test_where_a_part_is_missing_the_interval_holds_the_answer_to_the_whole_case():
    trained, _ = fuse(RECORD_STUB, IMAGE_STUB, IMAGE_STUB)
    less, model = trained.reduced_predictions, trained.model
    given = {Need.RECORD}
    partly = less[less["without"] == "image"].merge(trained.predictions, on="case_id", suffixes=("", "_whole"))
    probabilities = partly[["p_benign", "p_malignant"]].to_numpy()
    certain = Calibration(np.eye(1), np.zeros(1), np.zeros((2, 2)))
    moves = Domain.model_construct(field_moves={}).moves(model, partly[[]], probabilities[:, 1], model.shift(given))
    low, high = certain.interval(probabilities, 0.95, moves).T
    held = (low <= partly["p_malignant_whole"]) & (partly["p_malignant_whole"] <= high)
    assert 0.9 < held.mean() < 1
    assert model.shift(frozenset(Need)) == 0
    assert model.shift({Need.IMAGE, Need.MASK}) > 0


# The fitted form.

RECORD, IMAGE, MASK = Need.RECORD, Need.IMAGE, Need.MASK
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


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.mark.medium
@pytest.mark.parametrize("rule", RULES)
def test_a_late_fusion_is_stored_with_its_members_and_its_rule(cohort, tmp_path: Path, rule: str):
    model = fitted_late(cohort, RULES[rule])
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.probabilities(cohort.inputs), model.probabilities(cohort.inputs))
    assert list(loaded.members) == list(model.members)
    assert loaded.threshold == model.threshold
    assert loaded.record_columns == next(iter(model.members.values())).record_columns
    assert loaded.uses_descriptors
    assert loaded.image_inputs == ()


def test_a_late_fusion_joins_its_members_probabilities(cohort):
    model = fitted_late(cohort, Weighted(np.array([1.0, 0.0])))
    only_first = replace(model, fusions={tuple(model.members): replace(model.fusion, calibration=IDENTITY)})
    first = next(iter(model.members.values()))
    np.testing.assert_allclose(only_first.probabilities(cohort.inputs), first.probabilities(cohort.inputs), atol=1e-6)


def test_a_fusion_needs_what_any_member_needs(cohort):
    assert fitted_late(cohort).needs == {RECORD, IMAGE, MASK}
    assert fitted_tabular(cohort, ("record",)).needs == {RECORD}
    assert fitted_tabular(cohort, ("image_descriptors",)).needs == {IMAGE, MASK}


def test_one_member_that_remains_answers_by_itself(cohort):
    model = fitted_late(cohort)
    record, image = model.members.values()
    assert model.reduced({RECORD, IMAGE, MASK}) is model
    assert model.reduced({RECORD}) is record
    assert model.reduced({RECORD, IMAGE}) is record
    assert model.reduced({IMAGE, MASK}) is image
    assert model.reduced({IMAGE}) is None


def test_several_members_that_remain_are_fused_as_fitted_for_them(cohort):
    pair = fitted_late(cohort)
    single = FittedNetwork("imaging", "whole", CLASSES, 0.5, None, ImageInput(variant="whole"), IDENTITY)
    names = tuple(pair.members)
    of_two = replace(pair.fusion, rule=Mean(), threshold=0.2)
    members = {**pair.members, "imaging.whole": single}
    whole = FittedFusion(Mean(), IDENTITY, 0.7)
    model = FittedLate("fusion", "late", CLASSES, members, {tuple(members): whole, names: of_two}, {})
    assert model.threshold == 0.7
    assert answering(model.members, {RECORD, IMAGE}) == (names[0], "imaging.whole")
    without_network = replace(model, members=pair.members)
    assert without_network.threshold == 0.2
    np.testing.assert_array_equal(
        without_network.probabilities(cohort.inputs),
        of_two.probabilities(np.stack([member.probabilities(cohort.inputs) for member in pair.members.values()])),
    )


def test_a_member_that_is_a_fusion_answers_whole_or_not_at_all(cohort):
    inner = fitted_late(cohort)
    record = fitted_tabular(cohort, ("record",))
    members = {"fusion.late": inner, "clinical.other": record}
    outer = FittedLate("fusion", "outer", CLASSES, members, {tuple(members): inner.fusion}, {})
    assert outer.reduced({RECORD}) is record
    assert all(Need.IMAGE in given or outer.reduced(given) is record for given in GIVEN)


# Members with and without a signal.

STRATEGIES: dict[str, dict[str, Any]] = {
    "mean": {"rule": "mean"},
    "majority_vote": {"rule": "majority_vote"},
    "weighted": {"rule": "weighted"},
    "stacking by logistic regression": {"rule": "stacking", "classifier": "logistic_regression"},
    "stacking by gradient boosting": {"rule": "stacking", "classifier": "gradient_boosting"},
    "stacking by XGBoost": {"rule": "stacking", "classifier": "xgboost"},
}


def fused_by(strategy: str, members: dict[str, Member], cases: pd.DataFrame) -> pd.DataFrame:
    fusion = Late(members=tuple(members), **STRATEGIES[strategy])
    return fuse_out_of_fold(members, cases, CLASSES, fusion, TUNING, 0).predictions


def auroc(predictions: pd.DataFrame, confidence: float = 0.95) -> tuple[float, float, float]:
    """The AUROC and its interval."""
    positive = (predictions["label"] == CLASSES[1]).to_numpy()
    scores = predictions["p_malignant"].to_numpy()[None, :]
    areas, covariance = delong.auroc_covariance(positive, [scores], predictions["case_id"].to_numpy(dtype=str))
    return float(areas[0]), *delong.auroc_interval(float(areas[0]), float(covariance[0, 0]), confidence)


@pytest.mark.medium
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_comes_of_members_that_know_nothing(strategy: str):
    seeds = range(3)
    corrected = 1 - 0.05 / (len(seeds) * len(STRATEGIES))
    for seed in seeds:
        predictions = fused_by(strategy, *drawn_members(0.0, 0.0, 0.0, n=150, seed=seed, n_folds=3))
        _, low, high = auroc(predictions, corrected)
        assert low <= 0.5 <= high


# A vote counts as much whoever casts it: it can't learn that one of two members knows nothing.
@pytest.mark.medium
@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "majority_vote"])
def test_a_member_that_knows_nothing_costs_no_more_than_a_hundredth(strategy: str):
    members, cases = drawn_members(1.5, 0.0, n=1000, seed=0, n_folds=2)
    alone, _, _ = auroc(members["m0"].predictions)
    both, _, _ = auroc(fused_by(strategy, members, cases))
    assert both > alone - 0.01


# The entry in the configuration.


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"members": ("clinical.xgboost",)}, "members"),
        ({"members": ("clinical.a", "clinical.b", "clinical.a")}, "named more often: clinical.a"),
        ({"members": ("clinical.a", "clinical.b"), "rule": "stacking"}, "needs a `classifier`"),
        ({"members": ("clinical.a", "clinical.b"), "classifier": "xgboost"}, "needs a `classifier`"),
        ({"members": ("clinical.a", "clinical.b"), "rule": "stacking", "classifier": "xgbost"}, "'xgbost'.*xgboost"),
        ({"members": ("clinical.a", "clinical.b"), "rule": "weighted", "calibrated": False}, "weighted learns"),
    ],
)
def test_an_entry_that_is_no_fusion_is_refused_in_words(given: dict, words: str):
    with pytest.raises(ValueError, match=words):
        Late(**given)


def test_a_description_names_members_rule_and_stacker():
    found = Late(members=NAMES, rule="stacking", classifier="xgboost").describe()
    assert found.what == "late fusion, stacking by XGBoost"
    assert found.sees == "the probabilities of clinical.a and imaging.b"
