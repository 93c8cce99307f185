"""Pretraining: patients with a copy in the evaluation cohort are left out, and held-out ones are never trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import Study
from lesion_fusion.imaging.batches import TrainingBatches
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.pipelines.model.naming import ModelName
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


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    """A training without patient p01, and the rows it learned from."""
    learned: set[int] = set()
    plain = TrainingBatches.__init__

    def noting(self: TrainingBatches, inputs: Any, targets: Any, weights: Any, rows: np.ndarray, *rest: Any) -> None:
        learned.update(rows.tolist())
        plain(self, inputs, targets, weights, rows, *rest)

    images = np.random.default_rng(0).integers(0, 255, (CASES, 16, 16, 1), dtype="uint8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (8,))
        patch.setattr(TrainingBatches, "__init__", noting)
        predictions, log, fitted = pretrain_network(
            images,
            TABLE,
            copies("c03"),
            PARAMETERS,
            ImageInput(variant="crop", size=16),
            STUDY,
            model=ModelName("pretraining", "small"),
        )
    return {"predictions": predictions, "log": log, "fitted": fitted, "learned": learned}


def test_held_out_patients_and_copies_are_not_learned_from(trained: dict[str, Any]):
    learned = set(TABLE.iloc[sorted(trained["learned"])]["patient_id"])
    held_out = set(TABLE.set_index("case_id").loc[trained["predictions"]["case_id"], "patient_id"])
    assert not learned & held_out
    assert learned | held_out == set(TABLE["patient_id"]) - {"p01"}


def test_it_trains_to_the_last_epoch_whatever_the_held_out_patients_say(trained: dict[str, Any]):
    assert list(trained["log"]["epoch"]) == [1, 2, 3]
    assert trained["log"]["val_auroc"].notna().all()


def test_the_registered_version_tells_what_it_was_made_of(trained: dict[str, Any]):
    metrics = {"auroc": {"estimate": 0.75, "low": 0.7, "high": 0.8}}
    study_tags = {"cohort": "toy", "cohort_digest": "d", "target": "malignancy"}
    tags = describe_backbone(trained["fitted"], metrics, copies("c03"), audit([]), study_tags).tags
    assert tags["held_out_auroc"] == "0.75"
    assert (tags["compared_images"], tags["excluded_copies"]) == ("5", "1")
    nothing = describe_backbone(trained["fitted"], metrics, copies(), audit([], compared=0), study_tags).tags
    assert nothing["excluded_copies"] == "nothing to compare with"
