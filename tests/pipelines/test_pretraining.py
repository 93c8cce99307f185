"""Pretraining: copies in the evaluation cohort are found, and a registered version states what it was made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import TrainedModel
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.models.pretraining import Pretraining
from lesion_fusion.pipelines.pretraining.nodes import describe_backbone, find_evaluation_copies
from lesion_fusion.tabular.calibration import Calibration

CASES = 40
TABLE = pd.DataFrame(
    {
        "case_id": [f"c{i:02d}" for i in range(CASES)],
        "patient_id": [f"p{i // 2:02d}" for i in range(CASES)],
        "label": np.array(["benign", "malignant"])[np.arange(CASES) // 2 % 2],
    }
)
PARAMETERS = Pretraining.model_validate({"image_input": "crop", "members": 2, "network": {"backbone": "small_cnn"}})


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


def test_the_registered_version_states_what_it_was_made_of():
    keras: Any = None
    image_input = ImageInput(variant="crop", size=16)
    calibration = Calibration.identity(2)
    fitted = FittedNetwork("pretraining", "small", ("benign", "malignant"), 0.5, keras, image_input, calibration)
    log = pd.DataFrame({"repeat": 0, "fold": [0, 0, 1, 1], "epoch": [1, 2, 1, 2]})
    trained = TrainedModel(PARAMETERS, pd.DataFrame(), pd.DataFrame(), log, fitted)
    evaluated = {"pretraining.small": {"metrics": {"auroc": {"estimate": 0.75, "low": 0.7, "high": 0.8}}}}
    study = {"cohort": "toy", "cohort_digest": "d", "target": "malignancy"}
    judge = Judge(pd.DataFrame({"case_id": [], "patient_id": []}), study=study)
    tags = describe_backbone(trained, evaluated, copies("c03"), audit([]), judge).tags
    assert tags["held_out_auroc"] == "0.75"
    assert tags["members"] == "2"
    assert (tags["compared_images"], tags["excluded_copies"]) == ("5", "1")
    nothing = describe_backbone(trained, evaluated, copies(), audit([], compared=0), judge).tags
    assert nothing["excluded_copies"] == "nothing to compare with"
