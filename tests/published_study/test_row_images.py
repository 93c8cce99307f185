from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.imaging.case_files import read_masks
from lesion_fusion.imaging.outlines import encoded, outlines_table
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.published_study.rows import MASKINGS, balanced_rows, row_images, row_images_under_predicted
from tests.published_study.toy import toy_parameters

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
COHORT = parse_cohort({"cases": 16, "seed": 1, "normal_cases": 4})


@cache
def rows() -> pd.DataFrame:
    images, masks = render_images(COHORT), render_masks(COHORT)
    cases, *_ = build_cases(published_table(COHORT), images, masks, Ingestion(reader="breast_lesions_usg"))
    return balanced_rows(cases, 0.02, 1)


@cache
def seen() -> tuple[np.ndarray, pd.DataFrame]:
    return look(rows())


def look(which: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    return row_images(which, render_images(COHORT), render_masks(COHORT), toy_parameters(image_size=32), STUDY)


@pytest.mark.medium
def test_normal_cases_are_black_and_have_no_descriptors_their_copies_too():
    images, descriptors = seen()
    normal = (rows()["label"] == "normal").to_numpy()
    assert images.shape == (len(rows()), 32, 32, len(MASKINGS))
    assert not images[normal].any()
    assert images[~normal].any(axis=(1, 2)).all()
    assert descriptors.loc[normal].drop(columns="case_id").isna().all(axis=None)
    assert descriptors.loc[~normal, "solidity"].notna().all()


def test_copies_differ_from_their_case_and_from_each_other():
    _, descriptors = seen()
    lesions = (rows()["label"] != "normal").to_numpy()
    assert not descriptors.loc[lesions, "solidity"].duplicated().any()


def test_a_picture_does_not_depend_on_which_others_are_looked_at():
    images, descriptors = seen()
    chosen = np.arange(len(rows()))[::-7]
    again, described = look(rows().iloc[chosen])
    np.testing.assert_array_equal(images[chosen], again)
    pd.testing.assert_frame_equal(descriptors.iloc[chosen].reset_index(drop=True), described)


def test_under_predicted_outlines_are_the_rows_that_have_one_and_drawn_outlines_given_as_predicted_change_nothing():
    both = pd.concat([rows().assign(permuted=False), rows().assign(permuted=True)], ignore_index=True)
    lesions = rows()[(rows()["label"] != "normal") & (rows()["copy"] == 0)]
    drawn = [tumor for tumor, _ in read_masks(lesions, render_masks(COHORT))]
    given = outlines_table(
        [
            (case_id, "drawn" if number == 0 else "predicted", 1.0, 1.0, encoded(mask))
            for number, (case_id, mask) in enumerate(zip(lesions["case_id"], drawn, strict=True))
            if mask is not None
        ]
    )
    parameters = toy_parameters(image_size=32)
    images, descriptors = row_images_under_predicted(both, render_images(COHORT), given, parameters, STUDY)
    expected = (rows()["label"] != "normal") & (rows()["origin"] != lesions["case_id"].iloc[0])
    own_images, own_descriptors = seen()
    channel = MASKINGS.index("tumor")
    np.testing.assert_array_equal(images[..., channel], own_images[expected][..., channel])
    pd.testing.assert_frame_equal(descriptors, own_descriptors[expected].reset_index(drop=True))
