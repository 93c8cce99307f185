"""A joint network: how its branches are joined, that either alone suffices, that noise gives chance level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lesion_fusion.imaging.keras_backend import keras
from lesion_fusion.imaging.networks import EMBEDDING, HEAD, build_network
from lesion_fusion.imaging.out_of_fold import train_out_of_fold
from lesion_fusion.imaging.parameters import NetworkParameters
from lesion_fusion.imaging.regimes import OnImages
from lesion_fusion.imaging.training import Task
from lesion_fusion.models.joint import PairedRows
from lesion_fusion.models.joint_network import FUSIONS, build_joint_network
from tests.imaging.folds import embeddings_of, probabilities_of

CASES, SIZE, WIDTH, UNITS = 64, 16, 5, (16, 8)
QUICK = NetworkParameters(
    backbone="small_cnn", optimizer="adam", learning_rate=1e-2, epochs=15, batch_size=8, augmentation=0, patience=None
)


@pytest.fixture(scope="module", autouse=True)
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        patch.setattr("lesion_fusion.imaging.training.STATISTICS_IMAGES", 16)
        yield


def joint(fusion: str, parameters: NetworkParameters = QUICK) -> keras.Model:
    return build_joint_network(parameters, (SIZE, SIZE, 2), WIDTH, 2, UNITS, fusion)


def toy(image_informs: bool, record_informs: bool) -> tuple[PairedRows, np.ndarray]:
    """A bright square and a positive first number where malignant, each if it informs; noise otherwise."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(CASES) % 2)
    images = rng.uniform(0, 120, (CASES, SIZE, SIZE, 2))
    vectors = rng.normal(0, 1, (CASES, WIDTH)).astype("float32")
    if image_informs:
        images[labels == 1, 4:12, 4:12] += 120
    if record_informs:
        vectors[:, 0] = 2.0 * labels - 1 + rng.normal(0, 0.3, CASES)
    return PairedRows(images.astype("uint8"), vectors), labels


def auroc(fusion: str, pairs: PairedRows, labels: np.ndarray, parameters: NetworkParameters = QUICK) -> float:
    """AUROC out of two folds."""
    patients = np.array([f"p{i:03d}" for i in range(CASES)])
    result = train_out_of_fold(
        pairs,
        labels,
        patients,
        np.arange(CASES) % 2,
        2,
        parameters,
        3,
        refit=False,
        build=lambda: joint(fusion),
    )
    assert embeddings_of(result).shape == (2, CASES, UNITS[-1])
    return float(roc_auc_score(labels, probabilities_of(result)[:, 1]))


def outputs(network: keras.Model, names: list[str], pairs: PairedRows) -> list[np.ndarray]:
    model = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    images, vectors = pairs[np.arange(8)]
    found = model([images.astype("float32"), vectors])
    return [keras.ops.convert_to_numpy(one) for one in found]


def test_each_component_of_a_gated_unit_lies_between_image_and_record():
    pairs, _ = toy(True, True)
    seen, record, gate, embedding = outputs(joint("gated"), ["image_view", "record_view", "gate", EMBEDDING], pairs)
    np.testing.assert_allclose(embedding, gate * seen + (1 - gate) * record, atol=1e-5)
    assert ((gate > 0) & (gate < 1)).all()


def test_attention_weights_the_two_views_of_each_case_and_sums_to_one():
    pairs, _ = toy(True, True)
    seen, record, weights, embedding = outputs(
        joint("attention"), ["image_view", "record_view", "weights", EMBEDDING], pairs
    )
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(embedding, weights[:, 0] * seen + weights[:, 1] * record, atol=1e-5)
    assert len(np.unique(weights[:, 0])) > 1


@pytest.mark.parametrize("fusion", FUSIONS)
def test_both_branches_reach_the_probabilities(fusion: str):
    pairs, _ = toy(True, True)
    network, (images, vectors) = joint(fusion), pairs[np.arange(8)]
    images = images.astype("float32")
    plain, other_record, other_image = (
        keras.ops.convert_to_numpy(network(inputs))
        for inputs in ([images, vectors], [images, vectors[::-1]], [images[::-1], vectors])
    )
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-5)
    assert np.abs(plain - other_record).max() > 1e-4
    assert np.abs(plain - other_image).max() > 1e-6
    assert network.get_layer(HEAD).input.shape == (None, UNITS[-1])


@pytest.mark.slow
@pytest.mark.parametrize("fusion", ["gated", "attention"])
@pytest.mark.parametrize("image_informs", [True, False])
def test_a_signal_in_one_branch_alone_is_found(fusion: str, image_informs: bool):
    assert auroc(fusion, *toy(image_informs, not image_informs)) > 0.85


@pytest.mark.slow
def test_nothing_is_found_in_noise():
    augmented = QUICK.model_copy(update={"augmentation": 0.5})
    pairs, labels = toy(False, False)
    assert abs(auroc("gated", pairs, labels, augmented) - 0.5) < 0.2


@pytest.mark.slow
def test_an_image_branch_that_starts_from_weights_keeps_its_lower_blocks(tmp_path: Path):
    path = tmp_path / "pretrained.keras"
    source = build_network("small_cnn", (SIZE, SIZE, 2), 3)
    source.save(path)
    start = source.get_layer("block0_conv").get_weights()[0]
    pairs, labels = toy(True, True)
    learned = {}
    for share in (0.1, 1.0):
        parameters = QUICK.model_copy(
            update={"regime": "fine_tune", "weights": str(path), "unfrozen_share": share, "epochs": 2}
        )
        network = joint("gated", parameters)
        np.testing.assert_array_equal(network.get_layer("block0_conv").get_weights()[0], start)
        record = network.get_layer("record_0").get_weights()[0]
        trainer = OnImages(network, pairs, parameters)
        trainer.train(labels, Task("toy", np.arange(CASES), seed=1))
        learned[share] = np.abs(network.get_layer("block0_conv").get_weights()[0] - start).max()
        assert np.abs(network.get_layer("record_0").get_weights()[0] - record).max() > 0
    assert learned[0.1] == 0
    assert learned[1.0] > 0
