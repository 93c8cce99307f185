"""A small cohort of three classes without images: records, or descriptors, that tell as much as a test wants."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import COLUMNS, NOT_APPLICABLE, Kind, Role
from lesion_fusion.imaging.descriptors import default_names
from lesion_fusion.published_study.article import Article
from lesion_fusion.published_study.evaluation import Reproduction
from lesion_fusion.published_study.parameters import PaperReproduction
from lesion_fusion.published_study.rows import balanced_rows, permute_labels
from lesion_fusion.tabular.parameters import Tuning

COUNTS = {"benign": 60, "malignant": 20, "normal": 4}
MEMORISING = {
    "kind": "classifier",
    "classifier": "k_nearest_neighbours",
    "views": ["image_descriptors"],
    "grid": {"n_neighbors": [1]},
}
FOREST = {"kind": "classifier", "classifier": "random_forest", "views": ["record"], "grid": {"n_estimators": [20]}}
TUNING = Tuning(inner_folds=2)
SEED = 3


def toy_cases(counts: dict[str, int] = COUNTS, images_per_patient: int = 1, seed: int = 0) -> pd.DataFrame:
    """Cases whose records tell nothing of benign or malignant but in the columns of the outcome."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(list(counts), list(counts.values()))
    n = len(labels)
    within = np.concatenate([np.arange(count) for count in counts.values()])
    table = {}
    for column in COLUMNS:
        if column.kind is Kind.NUMBER:
            table[column.name] = rng.uniform(30, 80, n)
        elif column.categories:
            categories = [name for name in column.categories if name != NOT_APPLICABLE]
            table[column.name] = rng.choice(categories, n)
        else:
            table[column.name] = np.full(n, "some")
        if column.role is Role.DESCRIPTORS:
            table[column.name] = np.where(labels == "normal", NOT_APPLICABLE, table[column.name])
    frame = pd.DataFrame(table)
    frame["case_id"] = [f"case{i:03d}" for i in range(n)]
    frame["patient_id"] = [f"{label}{i // images_per_patient:03d}" for label, i in zip(labels, within, strict=True)]
    frame["classification"] = labels
    frame["diagnosis"] = np.where(labels == "malignant", "Carcinoma", "Fibroadenoma")
    frame["pixel_size_mm"] = 0.1
    texts = [column.name for column in COLUMNS if column.kind is not Kind.NUMBER]
    return frame.astype(dict.fromkeys(texts, "str"))


def toy_reproduction(seed: int = SEED, closeness: float = 0.05) -> Reproduction:
    """Rows with descriptors that tell who a row is or is a copy of, to within `closeness`, and nothing of its class."""
    cases = toy_cases()
    parts = [_rows_and_descriptors(part, seed, closeness) for part in (cases, permute_labels(cases, seed))]
    rows = pd.concat([rows.assign(permuted=part == 1) for part, (rows, _) in enumerate(parts)], ignore_index=True)
    descriptors = pd.concat([descriptors for _, descriptors in parts], ignore_index=True)
    images = np.zeros((len(rows), 4, 4, 2), dtype="uint8")
    return Reproduction(rows, images, descriptors, toy_parameters(), TUNING, seed)


def _rows_and_descriptors(cases: pd.DataFrame, seed: int, closeness: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = balanced_rows(cases, 0.02, seed)
    rng = np.random.default_rng(seed)
    who = pd.DataFrame(rng.normal(0, 1, (rows["origin"].nunique(), 6)), index=sorted(rows["origin"].unique()))
    values = who.loc[rows["origin"]].to_numpy() + rng.normal(0, closeness, (len(rows), 6)) * (
        rows["copy"].to_numpy()[:, None] > 0
    )
    descriptors = pd.DataFrame(0.0, index=rows.index, columns=default_names())
    descriptors[default_names()[:6]] = values
    descriptors.insert(0, "case_id", rows["case_id"].to_numpy())
    return rows, descriptors


def toy_article(**values: object) -> Article:
    return Article.model_validate({"source": "an article"} | values)


def toy_parameters(**more: object) -> PaperReproduction:
    """The study with one clinical and one imaging model, each shortcut measured for both."""
    values = {
        "clinical": {"random_forest": FOREST},
        "imaging": {"nearest": MEMORISING},
        "compared": ["clinical.random_forest", "imaging.nearest"],
        "predictors": ["metadata", "descriptors"],
        "splitting": {"random_splits": 3},
    }
    return PaperReproduction.model_validate(values | more)
