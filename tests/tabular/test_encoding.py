"""Encoders: fixed columns, unknown and missing cells told apart, nothing learned outside the rows given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.schema import COLUMN
from lesion_fusion.tabular.encoding import (
    REDUCED,
    CategoryIndicators,
    encode,
    encoded_sources,
    feature_table,
    image_weight_settings,
    make_encoder,
)


def indicators(**columns: list) -> pd.DataFrame:
    table = pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()})
    encoder = CategoryIndicators().fit(table)
    return pd.DataFrame(encoder.transform(table), columns=encoder.get_feature_names_out())


def test_an_unknown_category_sets_no_indicator_and_a_missing_cell_its_own():
    coded = indicators(shape=["oval", "trapezoid", None])
    assert coded["shape: oval"].tolist() == [1, 0, 0]
    assert coded.iloc[1].eq(0).all()
    assert coded["shape: missing"].tolist() == [0, 0, 1]
    assert coded.iloc[2].sum() == 1


def test_a_cell_that_is_no_text_is_missing():
    table = pd.DataFrame({"shape": pd.Series(["oval", 3.0, None, "oval"], dtype="object")})
    encoder = CategoryIndicators().fit(table)
    coded = pd.DataFrame(encoder.transform(table), columns=encoder.get_feature_names_out())
    assert coded["shape: missing"].tolist() == [0, 1, 1, 0]
    assert coded.sum(axis=1).tolist() == [1, 1, 1, 1]


def test_several_categories_in_a_cell_set_several_indicators():
    coded = indicators(margin=["indistinct&spiculated"])
    assert [name for name in coded if coded[name].iloc[0]] == ["margin: indistinct", "margin: spiculated"]


def test_ranks_keep_the_order_and_a_missing_one_stands_in_the_middle():
    categories = list(COLUMN["birads"].categories)
    coded = indicators(birads=[*categories, None])
    ranks = coded["birads: rank"].to_numpy()
    assert (np.diff(ranks[:-1]) > 0).all()
    assert (ranks[0], ranks[-2], ranks[-1]) == (-1, 1, 0)
    assert coded["birads: missing"].tolist() == [0] * len(categories) + [1]


def test_the_columns_are_the_schemas_whatever_the_cases():
    few, many = indicators(shape=["oval"]), indicators(shape=["round", "irregular", None, "not_applicable"])
    assert list(few) == list(many) == [f"shape: {name}" for name in COLUMN["shape"].categories] + ["shape: missing"]


@pytest.mark.parametrize(("represented", "image_weight"), [(False, 1.0), (True, 1.0), (False, 0.3), (True, 0.0)])
def test_a_table_is_encoded_as_the_encoder_would_whatever_its_columns_order(represented, image_weight):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(30, 8)), columns=[f"embedding_{i}" for i in range(4)] + list("abcd"))
    table = table.assign(
        shape=pd.Series(rng.choice(["oval", "round", None], 30), dtype="str"), age=rng.integers(20, 80, 30) * 1.0
    )
    table.loc[3, ["age", "a"]] = np.nan
    encoder = make_encoder(list(table), 2, represented)
    encoder.set_params(**image_weight_settings(encoder, image_weight)).fit(table, np.arange(30) % 2)
    np.testing.assert_array_equal(encode(encoder, table), encoder.transform(table))
    alone = encode(encoder, table[table.columns[::-1]].iloc[[3]])
    # A product of matrices of another size may round otherwise.
    np.testing.assert_allclose(alone, encode(encoder, table)[[3]], rtol=0, atol=1e-12)


def test_columns_without_any_value_are_kept_and_finite():
    table = pd.DataFrame(
        {"age": np.nan, "shape": pd.Series([None] * 6, dtype="str"), "image_descriptor_area": np.nan}, index=range(6)
    )
    encoder = make_encoder(list(table.columns), 2).fit(table)
    later = table.assign(age=40.0, image_descriptor_area=3.0)
    assert np.isfinite(encoder.transform(table)).all()
    assert encoder.transform(later).shape == encoder.transform(table).shape
    assert np.isfinite(encoder.transform(later)).all()


def test_numbers_are_imputed_by_the_median_and_standardised_by_the_rows_fitted_on():
    table = pd.DataFrame({"age": [20.0, 30.0, 70.0, np.nan]})
    encoder = make_encoder(["age"], 2).fit(table)
    coded = pd.DataFrame(encoder.transform(table), columns=encoder.get_feature_names_out())
    filled = np.array([20, 30, 70, 30])
    np.testing.assert_allclose(coded["age"], (filled - filled.mean()) / filled.std())
    missing = coded.filter(like="missingindicator").to_numpy()[:, 0]
    assert missing[3] > missing[:3].max()


@pytest.mark.parametrize("part", REDUCED)
def test_embeddings_and_pixels_are_reduced_and_the_rest_is_not(part: str):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(20, 6)), columns=[f"{part.removesuffix('s')}_{i}" for i in range(6)])
    table["image_descriptor_area"] = rng.normal(size=20)
    encoder = make_encoder(list(table.columns), 3)
    assert encoder.fit_transform(table).shape == (20, 4)
    assert encoded_sources(encoder) == ["image_descriptor_area", *[part] * 3]


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
