"""The feature table: the views asked for, matched by case, in the order of the cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.tabular.encoding import feature_table

CASES = pd.DataFrame({"case_id": ["c", "a", "b"], "age": [3.0, 1.0, 2.0], "halo": ["yes", "no", "no"]})
DESCRIPTORS = pd.DataFrame({"case_id": ["b", "c"], "halo": [0.2, 0.3], "area": [20.0, 30.0]})


def test_parts_are_matched_by_case_and_names_do_not_clash():
    table = feature_table(("record", "image_descriptors"), CASES, ["age", "halo"], DESCRIPTORS, ["halo", "area"])
    assert list(table.index) == ["c", "a", "b"]
    assert list(table) == ["age", "halo", "image_descriptor_halo", "image_descriptor_area"]
    assert table.loc["c", "image_descriptor_area"] == 30
    assert np.isnan(table.loc["a", "image_descriptor_area"])


def test_row_i_of_embeddings_is_case_i():
    table = feature_table(("embeddings",), CASES, [], embeddings=np.arange(6).reshape(3, 2))
    assert table.loc["a"].tolist() == [2, 3]


@pytest.mark.parametrize("view", ["image_descriptors", "embeddings", "pixels"])
def test_a_view_without_its_data_is_refused_by_name(view):
    with pytest.raises(ValueError, match=view):
        feature_table((view,), CASES, [])
