"""Share of a network's attention inside the lesion."""

from collections.abc import Iterable, Sequence

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
    """Return the share of the heat (size, size) in the mask (uint8, 255: all lesion); NaN where there is no heat."""
    total = float(heat.sum(dtype="float64"))
    return float((heat * (mask / 255.0)).sum(dtype="float64")) / total if total > 0 else np.nan


def attention_table(
    predictions: pd.DataFrame, classes: Sequence[str], class_maps: np.ndarray, lesion_masks: Iterable[np.ndarray]
) -> pd.DataFrame:
    """Return each case's attention as `COLUMNS`, one row per case, in the order of the arrays.

    The class explained is the more probable one, p its predicted probability. share_inside is the share of the positive
    part of its map inside the lesion: NaN where nothing speaks for the class, or where the case has no lesion.
    lesion_share_of_area is the share that evenly spread attention would have. `predictions` are the network's, one row
    per case; `class_maps` float (n, h, w, classes), from `grad_cam.maps_out_of_fold`, classes in the order of
    `classes`; `lesion_masks` one uint8 (size, size) a case, 0 to 255, in the geometry of the network's input.
    """
    rows = []
    for case, class_map, mask in zip(records(predictions), class_maps, lesion_masks, strict=True):
        position = int(np.argmax([case[f"p_{name}"] for name in classes]))
        explained, area = classes[position], float(np.mean(mask)) / 255.0
        heat = heat_map(class_map[..., position], mask.shape[-1])
        share = share_inside(heat, mask) if area > 0 else np.nan
        rows.append((case["case_id"], case["label"], explained, case[f"p_{explained}"], share, area))
    return pd.DataFrame(rows, columns=COLUMNS)
