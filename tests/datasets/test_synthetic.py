"""The synthetic cohort in the catalog: loads, refuses to save, explains wrong parameters, has a digest."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog
from kedro.io.core import DatasetError

from lesion_fusion.datasets.synthetic import SyntheticFilesDataset, SyntheticTableDataset

COHORT = {"cases": 12, "normal_cases": 1, "seed": 5}


def test_a_catalog_made_from_configuration_loads_table_images_and_masks():
    module = "lesion_fusion.datasets.synthetic"
    catalog = DataCatalog.from_config(
        {
            "table": {"type": f"{module}.SyntheticTableDataset", "cohort": COHORT},
            "images": {"type": f"{module}.SyntheticFilesDataset", "kind": "images", "cohort": COHORT},
            "masks": {"type": f"{module}.SyntheticFilesDataset", "kind": "masks", "cohort": COHORT},
        }
    )
    table = catalog.load("table")
    assert set(catalog.load("images")) == set(table["Image_filename"])
    assert set(table["Mask_tumor_filename"].dropna()) <= set(catalog.load("masks"))
    assert catalog.load("images")["case001.png"]().startswith(b"\x89PNG")


def test_saving_is_refused_with_the_reason():
    with pytest.raises(DatasetError, match="made from its `cohort` parameters"):
        SyntheticTableDataset(cohort=COHORT).save("table")


def test_every_wrong_parameter_is_named_with_what_is_allowed():
    with pytest.raises(DatasetError) as error:
        SyntheticTableDataset(cohort={"prevalence": 1.4, "record_sinal": 0.5})
    message = str(error.value)
    assert "synthetic.prevalence: Input should be less than 1, not 1.4" in message
    assert "no parameter is called record_sinal. Did you mean record_signal?" in message


def test_an_unknown_kind_is_named_with_what_is_allowed():
    with pytest.raises(DatasetError, match="kind = 'image': it must be one of images, masks"):
        SyntheticFilesDataset(kind="image", cohort=COHORT)


def test_the_digest_changes_with_every_parameter_and_with_nothing_else():
    digest = SyntheticTableDataset(cohort=COHORT).content_digest()
    assert digest == SyntheticTableDataset(cohort=dict(reversed(COHORT.items()))).content_digest()
    changed = [{"seed": 6}, {"cases": 13}, {"image_signal": 0}, {"missing": 0.5}]
    digests = {SyntheticTableDataset(cohort=COHORT | change).content_digest() for change in changed}
    assert len(digests | {digest}) == len(changed) + 1


def test_the_description_holds_all_parameters():
    described = SyntheticFilesDataset(kind="masks", cohort=COHORT)._describe()
    assert described["kind"] == "masks"
    assert described["cohort"]["images_per_patient"] == 1
