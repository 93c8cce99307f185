"""Attention inside the lesion: a share of what speaks for the answer, against the lesion's share of the area."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.imaging.attention import attention_table, heat_map, share_inside

SIZE = 32
CLASSES = ("benign", "malignant")


def mask(rows: slice, columns: slice) -> np.ndarray:
    found = np.zeros((SIZE, SIZE), dtype="uint8")
    found[rows, columns] = 255
    return found


def predictions(*malignant: float) -> pd.DataFrame:
    p = np.array(malignant)
    return pd.DataFrame(
        {
            "case_id": [f"c{i}" for i in range(len(p))],
            "label": "benign",
            "p_benign": 1 - p,
            "p_malignant": p,
        }
    )


LEFT = mask(slice(None), slice(0, SIZE // 2))
QUARTER = mask(slice(0, SIZE // 2), slice(0, SIZE // 2))


def two_sided(map_of_malignant: np.ndarray) -> np.ndarray:
    return np.stack([-map_of_malignant, map_of_malignant], axis=-1).astype("float32")


@pytest.mark.parametrize(("lesion", "share"), [(LEFT, 0.5), (QUARTER, 0.25), (np.full_like(LEFT, 51), 0.2)])
def test_attention_spread_evenly_lies_inside_as_the_area_does(lesion: np.ndarray, share: float) -> None:
    assert share_inside(heat_map(np.ones((4, 4)), SIZE), lesion) == pytest.approx(share, abs=1e-6)


def test_only_what_speaks_for_the_class_counts() -> None:
    half = np.repeat([[1.0, -3.0]], 2, axis=0)
    inside = share_inside(heat_map(half, SIZE), LEFT)
    assert 0.8 < inside < 1
    assert share_inside(heat_map(-half, SIZE), LEFT) == pytest.approx(1 - inside, abs=1e-6)
    assert np.isnan(share_inside(heat_map(-np.ones((2, 2)), SIZE), LEFT))


def test_the_more_probable_class_is_explained() -> None:
    half = np.repeat([[1.0, -1.0]], 2, axis=0)
    maps = np.stack([two_sided(half)] * 2)
    table = attention_table(predictions(0.9, 0.2), CLASSES, maps, np.stack([LEFT, LEFT]))
    assert table["explained"].tolist() == ["malignant", "benign"]
    assert table["p"].tolist() == [0.9, 0.8]
    assert table["share_inside"].sum() == pytest.approx(1, abs=1e-6)
    assert table["share_inside"].iloc[0] > 0.8
    assert table["lesion_share_of_area"].tolist() == [0.5, 0.5]


def test_a_case_without_a_lesion_has_no_share() -> None:
    maps = two_sided(np.ones((2, 2)))[np.newaxis]
    table = attention_table(predictions(0.9), CLASSES, maps, np.zeros_like(LEFT)[np.newaxis])
    assert table["share_inside"].isna().all()
    assert table["lesion_share_of_area"].tolist() == [0.0]
