"""Out of fold: no case is seen by its own network; the same seed gives the same; folds can be taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.imaging.folds import embeddings_of, probabilities_of

from lesion_fusion.cohort.study import SmallCohortError
from lesion_fusion.imaging.batches import TrainingBatches
from lesion_fusion.imaging.folds import FoldResult, inner_split
from lesion_fusion.imaging.keras_backend import starts_from
from lesion_fusion.imaging.networks import build_network, restore
from lesion_fusion.imaging.out_of_fold import OutOfFold, train_out_of_fold
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import OnFeatures, features_of
from lesion_fusion.imaging.training import Task, TrainingDivergedError

CASES, FOLDS, SIZE = 48, 3, 16
QUICK = NetworkParameters(
    backbone="small_cnn", optimizer="adam", learning_rate=3e-3, epochs=3, batch_size=8, augmentation=0.3, patience=None
)


class Recorded:
    """Images that note which rows were read, as a memory map would serve them."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.read, self.shape = images, [], images.shape

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self.read.append(np.asarray(rows))
        return self.images[rows]


def toy(signal: bool = True, seed: int = 0) -> dict[str, Any]:
    """Speckle with a lesion that is large where malignant; two images per patient."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.permutation(np.arange(CASES // 2) % 2), 2)
    images = rng.gamma(2.0, 40.0, (CASES, SIZE, SIZE, 2)).clip(0, 255)
    images[..., 1] = 0
    for image, label in zip(images, labels, strict=True):
        edge = 4 if not (label and signal) else 10
        image[3 : 3 + edge, 3 : 3 + edge] = (20.0, 255.0)
    patients = np.arange(CASES) // 2
    return {
        "images": images.astype("uint8"),
        "labels": labels,
        "groups": np.array([f"p{patient:02d}" for patient in patients]),
        "folds": patients % FOLDS,
        "classes": 2,
        "seed": 7,
    }


@dataclass(frozen=True)
class Run:
    """A result with what was read and learned on the way to it."""

    result: OutOfFold
    images: Recorded
    learned: list[set[int]]


@pytest.fixture(scope="module", autouse=True)
def _smaller_still() -> Iterator[None]:
    """Two blocks instead of four (tracing is what takes the time here), statistics from a few images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8, 16))
        patch.setattr("lesion_fusion.imaging.training.STATISTICS_IMAGES", QUICK.batch_size)
        yield


@pytest.fixture(scope="module")
def run() -> Run:
    learned: list[set[int]] = []
    plain = TrainingBatches.__init__

    def noting(self: TrainingBatches, inputs: Any, targets: Any, weights: Any, rows: np.ndarray, *rest: Any) -> None:
        learned.append(set(rows.tolist()))
        plain(self, inputs, targets, weights, rows, *rest)

    data = toy()
    data["images"] = Recorded(data["images"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBatches, "__init__", noting)
        return Run(train_out_of_fold(**data, parameters=QUICK), data["images"], learned)


@pytest.fixture(scope="module")
def result(run: Run) -> OutOfFold:
    return run.result


@pytest.mark.medium
def test_every_case_is_tested_once_and_held_out_parts_are_disjoint_by_patient(result: OutOfFold) -> None:
    data = toy()
    tested = np.concatenate([fold.test for fold in result.folds])
    assert sorted(tested) == list(range(CASES))
    np.testing.assert_allclose(probabilities_of(result).sum(axis=1), 1, atol=1e-5)
    for fold in result.folds:
        assert not set(data["groups"][fold.test]) & set(data["groups"][fold.validation])
        assert set(data["labels"][fold.validation]) == {0, 1}
        np.testing.assert_array_equal(fold.test_probabilities, probabilities_of(result)[fold.test])
    assert embeddings_of(result).shape == (FOLDS, CASES, 16)


@pytest.mark.medium
def test_history_has_a_record_per_epoch(result: OutOfFold) -> None:
    for fold in result.folds:
        assert [record["epoch"] for record in fold.history] == [1, 2, 3]
        assert {"loss", "accuracy", "auroc", "val_loss", "val_accuracy", "val_auroc"} <= set(fold.history[0])
        best = min(fold.history, key=lambda record: record["val_loss"])
        assert fold.best_epoch == best["epoch"]


@pytest.mark.medium
def test_neither_test_nor_validation_rows_reach_fit(run: Run) -> None:
    *of_folds, of_refit = run.learned
    for rows, fold in zip(of_folds, run.result.folds, strict=True):
        assert rows == set(range(CASES)) - set(fold.test.tolist()) - set(fold.validation.tolist())
    assert of_refit == set(range(CASES))


@pytest.mark.medium
def test_images_are_read_a_few_at_a_time(run: Run) -> None:
    assert max(len(rows) for rows in run.images.read) <= QUICK.batch_size


@pytest.mark.medium
def test_same_seed_same_predictions_whatever_was_done_before(result: OutOfFold) -> None:
    kept = {fold.fold: fold for fold in result.folds if fold.fold != 2}
    done: list[int] = []
    again = train_out_of_fold(**toy(), parameters=QUICK, completed=kept, on_fold=lambda fold: done.append(fold.fold))
    assert done == [2]
    np.testing.assert_array_equal(probabilities_of(again), probabilities_of(result))
    np.testing.assert_array_equal(embeddings_of(again), embeddings_of(result))
    images = toy()["images"].astype("float32")
    ours, theirs = (outcome.network.predict_on_batch(images) for outcome in (again, result))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.medium
def test_fold_result_restores_the_network_that_gave_it(result: OutOfFold) -> None:
    data, fold = toy(), result.folds[0]
    network = build_network("small_cnn", data["images"].shape[1:], 2, dropout=QUICK.dropout)
    restore(network, fold.weights)
    probabilities = network.predict_on_batch(data["images"][fold.test].astype("float32"))
    np.testing.assert_allclose(probabilities, fold.test_probabilities, atol=1e-5)


@pytest.mark.medium
def test_fold_result_is_arrays_and_numbers(result: OutOfFold) -> None:
    for field in fields(FoldResult):
        value = getattr(result.folds[0], field.name)
        assert isinstance(value, (int, float, np.ndarray, list)), field.name


@pytest.mark.medium
def test_a_lost_training_says_which_and_what_to_do() -> None:
    lost = QUICK.model_copy(update={"optimizer": "sgd", "learning_rate": 1e30})
    with pytest.raises(
        TrainingDivergedError, match=r"small_cnn, sgd, fold 1 of 3: .*loss is (nan|inf).*Lower learning"
    ):
        train_out_of_fold(**toy(), parameters=lost)


@pytest.mark.medium
@pytest.mark.parametrize("regime", ["frozen", "fine_tune"])
def test_regimes_from_weights(regime: str, tmp_path: Path) -> None:
    data = toy()
    path = tmp_path / "start.keras"
    start = build_network("small_cnn", data["images"].shape[1:], 3)
    start.save(path)
    changed = {"regime": regime, "weights": str(path), "head_epochs": 2, "unfrozen_share": 0.3}
    outcome = train_out_of_fold(**data, parameters=QUICK.model_copy(update=changed))
    images = data["images"].astype("float32")
    first = "block0_conv"
    np.testing.assert_array_equal(
        outcome.network.get_layer(first).get_weights()[0], start.get_layer(first).get_weights()[0]
    )
    fold = outcome.folds[1]
    restore(outcome.network, fold.weights)
    np.testing.assert_allclose(
        outcome.network.predict_on_batch(images[fold.test]), fold.test_probabilities, rtol=1e-3, atol=1e-4
    )
    if regime == "frozen":
        np.testing.assert_array_equal(embeddings_of(outcome)[0], embeddings_of(outcome)[1])
        assert len(fold.weights) == 2


@pytest.mark.slow
def test_planted_signal_is_found_and_none_where_there_is_none() -> None:
    longer = QUICK.model_copy(update={"epochs": 15})
    data, null = toy(), toy(signal=False)
    found = probabilities_of(train_out_of_fold(**data, parameters=longer, refit=False))[:, 1]
    nothing = probabilities_of(train_out_of_fold(**null, parameters=longer, refit=False))[:, 1]
    assert roc_auc_score(data["labels"], found) > 0.9
    assert 0.25 < roc_auc_score(null["labels"], nothing) < 0.75


def test_inner_split_keeps_patients_together_and_names_a_class_too_small() -> None:
    data = toy()
    training, validation = inner_split(data["labels"], data["groups"], 0.2, 0)
    assert not set(data["groups"][training]) & set(data["groups"][validation])
    assert 0.1 < len(validation) / CASES < 0.3
    with pytest.raises(SmallCohortError, match="Class 1 has one patient"):
        inner_split(np.array([0, 0, 0, 1]), np.arange(4), 0.2, 0)


def test_patient_in_two_folds_is_refused() -> None:
    data = toy()
    data["folds"] = np.arange(CASES) % FOLDS
    with pytest.raises(ValueError, match=r"Patient p00 lies in two folds"):
        train_out_of_fold(**data, parameters=QUICK)


@pytest.mark.medium
def test_features_computed_before_give_what_features_computed_on_the_way_give() -> None:
    data = toy()
    frozen = QUICK.model_copy(update={"regime": "frozen", "weights": "random"})
    found = features_of("small_cnn", "random", data["images"])
    given, computed = (train_out_of_fold(**data, parameters=frozen, features=features) for features in (found, None))
    np.testing.assert_allclose(probabilities_of(given), probabilities_of(computed), atol=1e-4)
    np.testing.assert_allclose(embeddings_of(given)[0], found)
    images = data["images"].astype("float32")
    one, other = (outcome.network.predict_on_batch(images) for outcome in (given, computed))
    np.testing.assert_allclose(one, other, atol=1e-4)
    seeded = train_out_of_fold(**{**data, "seed": 8}, parameters=frozen, features=found, refit=False)
    assert np.abs(probabilities_of(seeded) - probabilities_of(given)).max() > 1e-3


@pytest.mark.medium
def test_heads_of_one_shape_do_not_disturb_each_other() -> None:
    """They share what was traced, and nothing else."""
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    features = [rng.normal(size=(24, 5)).astype("float32") + sign * labels[:, None] for sign in (2, -2)]
    head = QUICK.model_copy(update={"regime": "frozen", "weights": "random", "dropout": 0.0})
    task = Task("toy", np.arange(16), None, 1)
    alone = []
    for table in features:
        with starts_from(3):
            one = OnFeatures(table, 2, head)
        alone.append((one.train(labels, task).weights, one.predict()[1]))
    with starts_from(3):
        first = OnFeatures(features[0], 2, head)
    with starts_from(4):
        OnFeatures(features[1], 2, head).train(labels, task)
    between = first.train(labels, task).weights
    with starts_from(3):
        second = OnFeatures(features[1], 2, head)
    second.train(labels, task)
    np.testing.assert_array_equal(between[0], alone[0][0][0])
    np.testing.assert_array_equal(first.predict()[1], alone[0][1])
    np.testing.assert_array_equal(second.predict()[1], alone[1][1])
