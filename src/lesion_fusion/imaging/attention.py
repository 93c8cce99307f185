"""Share of a network's attention inside the lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from lesion_fusion.cohort.tables import records

COLUMNS = ["case_id", "label", "explained", "p", "share_inside", "lesion_share_of_area"]


def heat_map(class_map: np.ndarray, size: int) -> np.ndarray:
    """Return a Grad-CAM as it is drawn: the positive part of float (h, w), bilinear, float32 (size, size)."""
    positive = np.maximum(class_map, 0).astype("float32")
    return np.asarray(Image.fromarray(positive).resize((size, size), Image.Resampling.BILINEAR))


def share_inside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Return the share of the heat (size, size), 0 or more, where the mask is; NaN where there is no heat.

    `mask`: uint8 (size, size), 0 to 255, how much of each pixel is lesion.
    """
    total = float(heat.sum(dtype="float64"))
    return float((heat * (mask / 255.0)).sum(dtype="float64")) / total if total > 0 else np.nan


def attention_table(
    predictions: pd.DataFrame, classes: Sequence[str], class_maps: np.ndarray, lesion_masks: np.ndarray
) -> pd.DataFrame:
    """Return each case's attention, one row per case, in the order of the arrays.

    The class explained is the more probable one: the map then shows what spoke for the answer given.

    Args:
        predictions: of a network, of the repeat that the maps are of, one row per case, in the order of the arrays.
        classes: their names, in the order of the maps' last axis.
        class_maps: float (n, h, w, classes), from `grad_cam.maps_out_of_fold`.
        lesion_masks: uint8 (n, size, size), 0 to 255, in the geometry of the network's input.

    Returns:
        `COLUMNS`: p is the predicted probability of the class explained, share_inside the share of the positive part of
        its map inside the lesion, lesion_share_of_area the share that evenly spread attention would have. share_inside
        is NaN where nothing speaks for the class, or where the case has no lesion.
    """
    rows = []
    for case, class_map, mask in zip(records(predictions), class_maps, lesion_masks, strict=True):
        position = int(np.argmax([case[f"p_{name}"] for name in classes]))
        area = float(np.mean(mask)) / 255.0
        heat = heat_map(class_map[..., position], mask.shape[-1])
        rows.append(
            {
                "case_id": case["case_id"],
                "label": case["label"],
                "explained": classes[position],
                "p": case[f"p_{classes[position]}"],
                "share_inside": share_inside(heat, mask) if area > 0 else np.nan,
                "lesion_share_of_area": area,
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)
