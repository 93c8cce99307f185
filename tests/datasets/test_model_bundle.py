"""Models in the catalog: stored whole, the old one kept where the new one can't be stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kedro.io import DatasetError
from lesion_fusion.datasets.model_bundle import ModelBundleDataset
from tests.models.toy import fitted_tabular, small_cohort


def test_a_model_comes_back_and_survives_a_failed_replacement(tmp_path: Path):
    cohort = small_cohort()
    model = fitted_tabular(cohort, ("record",))
    dataset = ModelBundleDataset(filepath=str(tmp_path / "models" / "clinical"))
    assert not dataset.exists()
    dataset.save(model)
    dataset.save(replace(model, name="second"))
    assert dataset.exists()
    with pytest.raises(DatasetError):
        dataset.save(replace(model, family=object()))
    assert dataset.load().name == "second"
    np.testing.assert_array_equal(dataset.load().probabilities(cohort.inputs), model.probabilities(cohort.inputs))
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["clinical"]
