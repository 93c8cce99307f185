"""The last version of a registered backbone is read by its name; without one the message says how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from kedro.io import DatasetError

from lesion_fusion.datasets.registered_backbone import RegisteredBackboneDataset, RegisteredOutlineDataset
from lesion_fusion.imaging.parameters import WeightsUnavailableError
from lesion_fusion.models.pretraining import PretrainedBackbone

# Each waits for a database of runs.
pytestmark = pytest.mark.medium


class Network:
    """Stands for a Keras network: what counts is its file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def save(self, path: Path) -> None:
        path.write_bytes(self.content)


@pytest.fixture(scope="module", autouse=True)
def _tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    tmp_path = tmp_path_factory.mktemp("registry")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.create_experiment("backbones", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("backbones")
    yield
    mlflow.set_tracking_uri(before)


def test_the_last_version_is_read_and_carries_its_tags():
    dataset = RegisteredBackboneDataset(name="small")
    digests = []
    for content in (b"first", b"second"):
        with mlflow.start_run():
            dataset.save(PretrainedBackbone(Network(content), {"held_out_auroc": "0.9"}))
        digests.append(dataset.content_digest())
    assert dataset.load().read_bytes() == b"second"
    assert len(set(digests)) == 2
    versions = mlflow.MlflowClient().search_model_versions("name = 'lesion-backbone-small'")
    assert {version.tags["held_out_auroc"] for version in versions} == {"0.9"}


def test_a_backbone_that_is_not_registered_is_refused_with_the_alternatives():
    dataset = RegisteredBackboneDataset(name="other")
    assert dataset.content_digest() == ""
    with pytest.raises(DatasetError, match=r"registered:other.*lesion-backbone-other.*pipeline pretraining") as error:
        dataset.load()
    assert isinstance(error.value.__cause__, WeightsUnavailableError)


def test_without_networks_that_draw_outlines_the_message_says_how_to_get_them():
    with pytest.raises(DatasetError, match=r"trained without toy.*outline\.registers.*pretraining") as error:
        RegisteredOutlineDataset(cohort="toy").load()
    assert isinstance(error.value.__cause__, WeightsUnavailableError)


def test_networks_that_draw_outlines_are_those_of_the_last_version_that_did_not_see_the_cohort():
    def register(content: bytes, cohorts: str) -> None:
        with mlflow.start_run():
            RegisteredOutlineDataset(cohort="toy").save(PretrainedBackbone(Network(content), {"cohorts": cohorts}))

    def loaded(cohort: str) -> bytes:
        return RegisteredOutlineDataset(cohort=cohort).load().file.read_bytes()

    for content, cohorts in ((b"one", "bus-bra"), (b"both", "bus-bra, busi"), (b"other", "busi")):
        register(content, cohorts)
    assert [loaded(cohort) for cohort in ("bus-bra", "busi", "toy")] == [b"other", b"one", b"other"]
    assert RegisteredOutlineDataset(cohort="busi").load().cohorts == ("bus-bra",)
    register(b"all", "busi, toy")
    # A part of a name is no cohort that was seen.
    assert [loaded(cohort) for cohort in ("bus", "toy")] == [b"all", b"other"]
