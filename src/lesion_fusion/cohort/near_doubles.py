"""Near-doubles as one patient, for a collection that does not say whose an image is."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lesion_fusion.cohort.audit.images import ImageSummary, duplicate_pairs
from lesion_fusion.cohort.defects import Defect
from lesion_fusion.notation import listing


def join_near_doubles(
    record: pd.DataFrame, pictures: Sequence[ImageSummary], bits: int
) -> tuple[pd.DataFrame, list[Defect]]:
    """Return `record` with images that are nearly the same under one patient_id, and the cases of no clear class.

    `pictures` are the images, named by their case_id; `bits`: largest difference of two perceptual hashes. Whoever has
    a near-double of somebody else becomes one patient with them, under the first id of all. Where images that are
    nearly the same are of different classes, one of them is wrong: each is a defect.
    """
    pairs = duplicate_pairs(pictures, pictures, bits)
    record = record.sort_values("case_id", ignore_index=True)
    cases, patients = (record[name].astype("str") for name in ("case_id", "patient_id"))
    owner = dict(zip(cases, patients, strict=True))
    first = _groups(cases, [(pair.first, pair.second) for pair in pairs])
    merged = _groups(patients, [(owner[pair.first], owner[pair.second]) for pair in pairs])
    differ = {first[pair.first] for pair in pairs if not pair.exact}
    defects = []
    for group, members in record.groupby(cases.map(first), sort=False):
        classes = members["classification"]
        if classes.nunique() < 2:
            continue
        named = [f"{one} ({kind})" for one, kind in zip(members["case_id"], classes.fillna("not given"), strict=True)]
        alike = "nearly the same" if group in differ else "the same"
        defects += [
            Defect(
                "near-doubles of different classes",
                f"{listing(named)} are {alike} image, of different classes",
                "find out which class is right and correct it, or leave the images out",
                case_id=str(case_id),
                column="classification",
            )
            for case_id in members["case_id"]
        ]
    return record.assign(patient_id=patients.map(merged).astype("str")), defects


def _groups(names: Iterable[str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return for each name the first of all names that it is linked with by `pairs`, in any number of steps."""
    ordered = sorted(set(names))
    place = {name: k for k, name in enumerate(ordered)}
    rows, columns = ([place[pair[end]] for pair in pairs] for end in (0, 1))
    links = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(ordered), len(ordered)))
    labels = connected_components(links, directed=False)[1]
    first = {int(label): name for name, label in reversed(list(zip(ordered, labels, strict=True)))}
    return {name: first[int(label)] for name, label in zip(ordered, labels, strict=True)}
