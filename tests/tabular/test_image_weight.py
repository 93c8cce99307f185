"""The weight of the image block: 0 is the record alone, an image that tells is taken, one that does not left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesion_fusion.tabular.encoding import image_weight_settings, make_encoder
from lesion_fusion.tabular.out_of_fold import permutation_importance
from lesion_fusion.tabular.parameters import ClassifierParameters
from lesion_fusion.tabular.shapley import shapley_values
from lesion_fusion.tabular.training_rows import Training
from lesion_fusion.tabular.tuning import TunedClassifier, best_position, tune
from tests.tabular.toy import TUNING, Study, toy_study

EARLY = ("record", "image_descriptors")
GROUPS = {"image_descriptor_area": "image", "image_descriptor_entropy": "image"}
CLASSIFIERS = (
    "extra_trees",
    "gradient_boosting",
    "k_nearest_neighbours",
    "logistic_regression",
    "mlp",
    "naive_bayes",
    "svm_rbf",
    "xgboost",
)


def model(
    classifier: str, weights: list[float] | None = None, views: tuple[str, ...] = EARLY, **more
) -> ClassifierParameters:
    grid = more.pop("grid", {}) | ({} if weights is None else {"image_weight": weights})
    return ClassifierParameters(classifier=classifier, views=views, grid=grid, **more)


def tuned(study: Study, of: ClassifierParameters) -> TunedClassifier:
    return tune(study.features, study.positions(), study.cases["patient_id"].to_numpy(), of, TUNING, 2, 3)


def record_of(study: Study) -> Study:
    return replace(study, features=study.features[["age", "shape"]])


def auroc_outside(study: Study, of: ClassifierParameters) -> float:
    """The AUROC of the last outer fold under a classifier tuned on the others."""
    inside, outside = study.split(2)
    train = replace(study, cases=study.cases.iloc[inside], features=study.features.iloc[inside])
    return roc_auc_score(study.positions()[outside], tuned(train, of).probabilities(study.features.iloc[outside])[:, 1])


def drowned(n: int = 300, columns: int = 60) -> Study:
    """A record that tells the outcome beside many image columns that do not."""
    study = toy_study(n, signal=1.5, seed=4)
    rng = np.random.default_rng(4)
    noise = {f"image_descriptor_{i}": rng.normal(size=n) for i in range(columns)}
    return replace(study, features=record_of(study).features.assign(**noise))


@pytest.mark.medium
@pytest.mark.parametrize(
    ("classifier", "record"),
    [*((name, "record") for name in CLASSIFIERS), ("logistic_regression", "record_representation")],
)
def test_without_weight_the_classifier_is_the_one_of_the_record_alone(classifier: str, record: str):
    study = toy_study(60, signal=0.7, seed=1)
    training = Training(noise=0.5, copies=1)
    alone = tuned(record_of(study), model(classifier, views=(record,), training=training))
    beside = tuned(study, model(classifier, [0], views=(record, "image_descriptors"), training=training))
    np.testing.assert_array_equal(beside.inner_probabilities, alone.inner_probabilities)
    np.testing.assert_array_equal(beside.probabilities(study.features), alone.probabilities(study.features))
    assert beside.threshold == alone.threshold
    # What is left out is neither read nor needed to be known.
    foreign = study.features.assign(image_descriptor_area=np.nan)
    np.testing.assert_array_equal(beside.probabilities(foreign), alone.probabilities(study.features))


def test_the_columns_of_the_image_are_multiplied_after_their_standardisation():
    features = toy_study(40).features.assign(**{f"embedding_{i}": np.arange(40.0) ** (i / 2 + 1) for i in range(4)})
    columns = list(features.columns)
    encoders = [make_encoder(columns, 2) for _ in range(2)]
    encoders[1].set_params(**image_weight_settings(encoders[1], 0.3))
    whole, lighter = (encoder.fit_transform(features) for encoder in encoders)
    names = make_encoder(columns, 2).fit(features).get_feature_names_out()
    of_image = np.asarray([name.startswith(("image_descriptor", "pca")) for name in names])
    assert of_image.sum() == 4
    np.testing.assert_array_equal(lighter[:, of_image], 0.3 * whole[:, of_image])
    np.testing.assert_array_equal(lighter[:, ~of_image], whole[:, ~of_image])


@pytest.mark.medium
@pytest.mark.parametrize("weight", [0, 0.3, 1])
def test_inside_the_folds_a_weight_is_what_it_is_in_the_final_fit(weight: float):
    study = toy_study(90, signal=0.5, seed=1)
    both = tuned(study, model("svm_rbf", [0, 0.3, 1], grid={"C": [1.0, 3.0]}))
    alone = tuned(study, model("svm_rbf", [weight], grid={"C": [1.0, 3.0]}))
    of_weight = both.grid_scores[both.grid_scores["image_weight"] == str(weight)]
    np.testing.assert_array_equal(of_weight["score"], alone.grid_scores["score"])


@pytest.mark.medium
def test_neighbours_do_not_drown_in_columns_that_say_nothing():
    study = drowned()
    own = auroc_outside(record_of(study), model("k_nearest_neighbours", views=("record",)))
    assert auroc_outside(study, model("k_nearest_neighbours", [0, 0.3, 1])) > own - 0.01
    assert auroc_outside(study, model("k_nearest_neighbours")) < own - 0.05


@pytest.mark.medium
@pytest.mark.parametrize(("classifier", "weights"), [("k_nearest_neighbours", [0, 0.3, 1]), ("extra_trees", [0, 1])])
def test_an_image_that_tells_is_taken(classifier: str, weights: list[float]):
    study = toy_study(150, signal=0.7, seed=2)
    told = study.features["image_descriptor_area"] + 6 * study.positions()
    study = replace(study, features=study.features.assign(image_descriptor_area=told))
    found = tuned(study, model(classifier, weights)).grid_scores
    assert found.loc[found["chosen"], "image_weight"].item() != "0"
    own = auroc_outside(record_of(study), model(classifier, views=("record",)))
    assert auroc_outside(study, model(classifier, weights)) > own + 0.1


@pytest.mark.parametrize("weights", [[0, 0.3, 1], [1, 0.3, 0]])
def test_of_equal_scores_the_smaller_weight_wins(weights: list[float]):
    study = toy_study(60)
    study = replace(study, features=study.features.assign(**dict.fromkeys(GROUPS, 1.0)))
    found = tuned(study, model("k_nearest_neighbours", weights, grid={"n_neighbors": [5], "weights": ["uniform"]}))
    assert found.grid_scores["score"].nunique() == 1
    assert found.grid_scores.loc[found.grid_scores["chosen"], "image_weight"].tolist() == ["0"]


def test_the_best_of_scores_that_are_equal_better_or_undefined():
    grid = [{"image_weight": 1, "C": 1}, {"image_weight": 0.3, "C": 1}, {"image_weight": 0.3, "C": 2}]
    assert best_position(grid, np.asarray([0.7, 0.7, 0.7])) == 1
    assert best_position(grid, np.asarray([0.8, 0.7, 0.7])) == 0
    assert best_position(grid, np.full(3, np.nan)) == 0
    assert best_position([{"C": 1}, {"C": 2}], np.asarray([0.7, 0.7])) == 0


@pytest.mark.medium
@pytest.mark.parametrize("dimension", [{"choices": [0, 0.3, 1]}, {"low": 0.0, "high": 2.0}])
def test_a_search_weighs_the_image_as_a_grid_does(dimension: dict):
    study = toy_study(60, signal=0.5, seed=1)
    space = {"image_weight": dimension, "n_neighbors": {"low": 3, "high": 9}}
    of = model("k_nearest_neighbours", search={"trials": 4, "space": space})
    found = tuned(study, of)
    for row in found.grid_scores.itertuples():
        weight, neighbours = float(row.image_weight), int(row.n_neighbors)
        alone = tuned(study, model("k_nearest_neighbours", [weight], grid={"n_neighbors": [neighbours]}))
        assert row.score == pytest.approx(alone.grid_scores["score"].iloc[0], abs=1e-12)
        if row.chosen:
            np.testing.assert_array_equal(found.inner_probabilities, alone.inner_probabilities)


def test_what_is_left_out_is_worth_nothing_and_still_named():
    study = toy_study(80, signal=1.0)
    found = tuned(study, model("logistic_regression", [0]))
    drops = permutation_importance(found, study.features, study.positions(), GROUPS, 0).set_index("column")["drop"]
    assert list(drops.index) == ["age", "shape", "image"]
    assert drops["image"] == 0
    assert drops["age"] > 0
    shares = shapley_values(found.estimator, found.calibration, study.features, study.features, GROUPS, 0).contributions
    assert list(shares) == ["age", "shape", "image"]
    assert (shares["image"] == 0).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"views": ("record",)}, "image_weight weighs the image beside the record, .*: record"),
        ({"views": ("image_descriptors",)}, "no such pair: image_descriptors"),
        ({"grid": {"image_weight": [0, -1]}}, "a number from 0, not -1"),
        ({"grid": {"image_weight": [True]}}, "not True"),
        ({"grid": {"image_weight": [None]}}, "not None"),
        ({"grid": {"image_weight": [float("inf")]}}, "not inf"),
        ({"grid": {"image_weight": []}}, "no value for image_weight"),
        ({"classifier": "xgboost", "grid": {"image_weight": [0, 0.3, 1]}}, "xgboost does not see the scale"),
        (
            {
                "classifier": "extra_trees",
                "grid": {},
                "search": {"trials": 2, "space": {"image_weight": {"low": 0, "high": 1}}},
            },
            "extra_trees does not see the scale",
        ),
        (
            {"grid": {}, "views": ("record",), "search": {"trials": 2, "space": {"image_weight": {"choices": [0, 1]}}}},
            "no such pair",
        ),
    ],
)
def test_a_weight_that_makes_no_sense_is_refused_in_words(settings: dict, words: str):
    given = {"classifier": "svm_rbf", "views": EARLY, "grid": {"image_weight": [0, 1]}} | settings
    with pytest.raises(ValueError, match=words):
        ClassifierParameters.model_validate(given)
