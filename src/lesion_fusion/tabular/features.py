"""The feature table of a model: the parts it asks for, side by side, one row a case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lesion_fusion.tabular.encoding import EMBEDDING_PREFIX, PIXEL_PREFIX

# The record has columns of the same names (a radiologist's `halo` beside the one measured in the image).
DESCRIPTOR_PREFIX = "image_descriptor_"


def feature_table(
    views: Sequence[str],
    cases: pd.DataFrame,
    record_columns: Sequence[str],
    image_descriptors: pd.DataFrame | None = None,
    descriptor_names: Sequence[str] = (),
    embeddings: np.ndarray | None = None,
    pixels: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the features of `cases`, indexed by case_id, in the order of its rows.

    `views` names the parts: `record` or `record_representation` (the columns in `record_columns`; what becomes of them
    is the encoder's affair), `image_descriptors` (those
    of the table's columns in `descriptor_names`), `embeddings` and `pixels` (float arrays (n, d), row i = case i). A
    case without image descriptors gets NA there.
    """
    index = pd.Index(cases["case_id"], name="case_id")
    parts = []
    if "record" in views or "record_representation" in views:
        parts.append(cases[list(record_columns)].set_axis(index))
    if "image_descriptors" in views:
        if image_descriptors is None:
            raise ValueError("The view image_descriptors needs the table image_descriptors.")
        found = pd.Index(image_descriptors["case_id"]).get_indexer(index)
        values = image_descriptors.reindex(columns=list(descriptor_names)).to_numpy(dtype="float64")[found]
        values[found < 0] = np.nan
        names = [f"{DESCRIPTOR_PREFIX}{name}" for name in descriptor_names]
        parts.append(pd.DataFrame(values, index=index, columns=names))
    if "embeddings" in views:
        if embeddings is None:
            raise ValueError("The view embeddings needs a network's embeddings.")
        parts.append(_numbered(embeddings, EMBEDDING_PREFIX, index))
    if "pixels" in views:
        if pixels is None:
            raise ValueError("The view pixels needs the pixels of the lesion images.")
        parts.append(_numbered(pixels, PIXEL_PREFIX, index))
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1)


def _numbered(values: np.ndarray, prefix: str, index: pd.Index) -> pd.DataFrame:
    names = [f"{prefix}{i}" for i in range(values.shape[1])]
    return pd.DataFrame(np.asarray(values, dtype="float64"), index=index, columns=names)
