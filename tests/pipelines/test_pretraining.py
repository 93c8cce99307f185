"""Pretraining: patients with a copy in the evaluation cohort are left out, and held-out ones are never trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lesion_fusion.pipelines.model.naming import ModelName

from lesion_fusion.cohort.study import SmallCohortError, Study
from lesion_fusion.datasets.finished_folds import FinishedFolds
from lesion_fusion.imaging.batches import TrainingBatches
from lesion_fusion.imaging.folds import held_out_folds
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.pipelines.pretraining.nodes import (
    Pretraining,
    describe_backbone,
    find_evaluation_copies,
    pretrain_network,
)

CASES = 40
TABLE = pd.DataFrame(
    {
        "case_id": [f"c{i:02d}" for i in range(CASES)],
        "patient_id": [f"p{i // 2:02d}" for i in range(CASES)],
        "label": np.array(["benign", "malignant"])[np.arange(CASES) // 2 % 2],
    }
)
STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
PARAMETERS = Pretraining.model_validate(
    {
        "image_input": "crop",
        "folds": 4,
        "members": 2,
        "network": {"backbone": "small_cnn", "optimizer": "adam", "epochs": 3, "batch_size": 8, "patience": 1},
    }
)


def audit(pairs: list[dict[str, Any]], compared: int = 5) -> dict[str, Any]:
    return {"compared_images": compared, "tables": {"duplicates_between_cohorts": pairs}}


def copies(*cases: str) -> pd.DataFrame:
    pairs = [{"first": case, "second": "other.png", "exact": False, "distance": 3} for case in cases]
    return find_evaluation_copies(TABLE, audit(pairs))


def test_copies_are_named_with_their_patients():
    found = copies("c03", "c08")
    assert list(found["case_id"]) == ["c03", "c08"]
    assert list(found["patient_id"]) == ["p01", "p04"]
    assert list(copies().columns) == list(found.columns)


def pretrained(parameters: Pretraining, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, FittedNetwork]:
    """A training without patient p01."""
    images = np.random.default_rng(0).integers(0, 255, (CASES, 16, 16, 1), dtype="uint8")
    return pretrain_network(
        images,
        TABLE,
        copies("c03"),
        parameters,
        ImageInput(variant="crop", size=16),
        STUDY,
        FinishedFolds(folder),
        model=ModelName("pretraining", "small"),
    )


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Two members, and the rows that each learned from."""
    learned: list[set[int]] = []
    plain = TrainingBatches.__init__

    def noting(self: TrainingBatches, inputs: Any, targets: Any, weights: Any, rows: np.ndarray, *rest: Any) -> None:
        learned.append(set(rows.tolist()))
        plain(self, inputs, targets, weights, rows, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBatches, "__init__", noting)
        predictions, log, fitted = pretrained(PARAMETERS, tmp_path_factory.mktemp("members"))
    return {"predictions": predictions, "log": log, "fitted": fitted, "learned": learned}


def test_no_member_learns_from_what_it_is_judged_on_nor_from_copies(trained: dict[str, Any]):
    of_case = TABLE.set_index("case_id")["patient_id"]
    predictions = trained["predictions"]
    for fold, rows in enumerate(trained["learned"]):
        learned = set(TABLE.iloc[sorted(rows)]["patient_id"])
        held_out = set(of_case[predictions.loc[predictions["fold"] == fold, "case_id"]])
        assert not learned & held_out
        assert learned | held_out == set(TABLE["patient_id"]) - {"p01"}
    assert predictions["case_id"].is_unique


def test_every_patient_is_held_out_once_and_with_all_images():
    labels, groups = (TABLE["label"] == "malignant").to_numpy().astype(int), TABLE["patient_id"].to_numpy()
    held_out = pd.Series(held_out_folds(labels, groups, 4, seed=1)).groupby(groups)
    assert (held_out.nunique() == 1).all()
    assert set(held_out.first()) == set(range(4))


def test_more_members_than_folds_are_refused():
    with pytest.raises(ValueError, match="members is 5, but each is judged on a fold of its own of 4"):
        Pretraining.model_validate(PARAMETERS.model_dump() | {"members": 5})


def test_it_trains_to_the_last_epoch_whatever_the_held_out_patients_say(trained: dict[str, Any]):
    assert list(trained["log"]["epoch"]) == [1, 2, 3, 1, 2, 3]
    assert list(trained["log"]["fold"]) == [0, 0, 0, 1, 1, 1]
    assert trained["log"]["val_auroc"].notna().all()


def test_an_interrupted_training_goes_on_at_the_member_it_had_come_to(
    trained: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plain, asked = FinishedFolds.save, []

    def interrupted(self: FinishedFolds, digest: str, result: Any) -> None:
        plain(self, digest, result)
        raise KeyboardInterrupt

    monkeypatch.setattr(FinishedFolds, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretrained(PARAMETERS, tmp_path)
    monkeypatch.setattr(FinishedFolds, "save", lambda _store, _digest, result: asked.append(result.fold))
    predictions, _, fitted = pretrained(PARAMETERS, tmp_path)
    assert asked == [1]
    pd.testing.assert_frame_equal(predictions, trained["predictions"])
    for ours, theirs in zip(fitted.network.get_weights(), trained["fitted"].network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_registered_version_tells_what_it_was_made_of(trained: dict[str, Any]):
    metrics = {"auroc": {"estimate": 0.75, "low": 0.7, "high": 0.8}}
    study_tags = {"cohort": "toy", "cohort_digest": "d", "target": "malignancy"}
    fitted, log = trained["fitted"], trained["log"]
    tags = describe_backbone(fitted, metrics, log, copies("c03"), audit([]), study_tags).tags
    assert tags["held_out_auroc"] == "0.75"
    assert tags["members"] == "2"
    assert (tags["compared_images"], tags["excluded_copies"]) == ("5", "1")
    nothing = describe_backbone(fitted, metrics, log, copies(), audit([], compared=0), study_tags).tags
    assert nothing["excluded_copies"] == "nothing to compare with"


def test_too_few_patients_are_told_with_the_mend():
    rare = np.array(["p00", "p01", "p03"])
    labels = np.where(np.isin(TABLE["patient_id"], rare), 1, 0)
    with pytest.raises(SmallCohortError, match=r"by class, 17, 3\. Lower `folds`"):
        held_out_folds(labels, TABLE["patient_id"].to_numpy(), 4, seed=1)
    with pytest.raises(SmallCohortError, match=r"two classes or more"):
        held_out_folds(np.zeros(CASES, dtype=int), TABLE["patient_id"].to_numpy(), 4, seed=1)


def test_a_network_is_not_pretrained_from_another():
    network = {"backbone": "small_cnn", "regime": "fine_tune", "weights": "registered:other"}
    with pytest.raises(ValueError, match=r"registered:other.*scratch"):
        Pretraining.model_validate({"image_input": "crop", "network": network})
