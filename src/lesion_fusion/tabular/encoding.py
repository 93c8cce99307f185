"""The feature table of a model, and its encoding as the numbers that a classifier takes.

The weight of the image block beside the record's follows block scaling of multi-block analysis (Westerhuis, Kourti and
MacGregor 1998, "Analysis of multiblock and hierarchical PCA and PLS models",
doi:10.1002/(SICI)1099-128X(199809/10)12:5<301::AID-CEM515>3.0.CO;2-S): columns are standardised, then those of a block
multiplied by its weight. Tuned to 0, it spares a classifier the image's columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from lesion_fusion.cohort.schema import COLUMN, Column, Kind, split_cell

# The record has columns of the same names (a radiologist's `halo` beside the one measured in the image).
DESCRIPTOR_PREFIX = "image_descriptor_"
EMBEDDING_PREFIX = "embedding_"
PIXEL_PREFIX = "pixel_"
# Parts of the encoder that principal components reduce.
REDUCED = ("embeddings", "pixels")
REPRESENTATION = "record_representation"
IMAGE_PARTS = ("descriptors", *REDUCED)
# Parts whose outputs each mix all their columns: they have one source, the part itself.
MIXED = (*REDUCED, REPRESENTATION)


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

    `views` names the parts: `record` or `record_representation` (the columns in `record_columns`), `image_descriptors`
    (those of the table's columns in `descriptor_names`), `embeddings` and `pixels` (float arrays (n, d), row i = case
    i). A case without image descriptors gets NA there. Raises ValueError where a view's data is missing.
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
    for view, prefix, array in (("embeddings", EMBEDDING_PREFIX, embeddings), ("pixels", PIXEL_PREFIX, pixels)):
        if view in views:
            if array is None:
                raise ValueError(f"The view {view} needs an array of {view}, one row per case.")
            names = [f"{prefix}{i}" for i in range(array.shape[1])]
            parts.append(pd.DataFrame(np.asarray(array, dtype="float64"), index=index, columns=names))
    return parts[0] if len(parts) == 1 else pd.concat(parts, axis=1)


class CategoryIndicators(TransformerMixin, BaseEstimator):
    """Encode categorical record columns: one indicator per category, one for missing, ranks where order is real.

    The categories are the schema's, so the output has the same columns whatever cases it is fitted on, and a category
    unknown to the schema sets no indicator. Input: DataFrame of record columns as text with NA. Output: float64.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> CategoryIndicators:  # noqa: ARG002 (scikit-learn's signature)
        """Remember the columns; nothing is learned from the cells."""
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """Return the indicators, shape (n, outputs), float64."""
        check_is_fitted(self)
        blocks = []
        for name in self.feature_names_in_:
            coded = [_coded(cell if isinstance(cell, str) else None, COLUMN[name]) for cell in X[name].tolist()]
            blocks.append(np.asarray(coded).reshape(len(X), len(_output_names(name))))
        return np.hstack(blocks) if blocks else np.empty((len(X), 0))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002 (scikit-learn's signature)
        """Return names such as `margin: spiculated`, `margin: missing` and `birads: rank`."""
        check_is_fitted(self)
        return np.asarray([name for column in self.feature_names_in_ for name in _output_names(column)], dtype=object)


def _output_names(name: str) -> list[str]:
    outputs = ["rank"] if COLUMN[name].kind is Kind.ORDERED else COLUMN[name].categories
    return [f"{name}: {output}" for output in (*outputs, "missing")]


# A column holds few different cells, the same in every table; each is coded once.
@lru_cache(maxsize=1024)
def _coded(cell: str | None, column: Column) -> list[float]:
    missing = float(cell is None)
    if column.kind is Kind.ORDERED:
        # Centred on the scale's middle, which is also the rank of a missing cell; its indicator distinguishes the two.
        middle = (len(column.categories) - 1) / 2
        rank = (column.categories.index(cell) - middle) / middle if cell in column.categories else 0.0
        return [rank, missing]
    parts = split_cell(cell)
    return [*(float(category in parts) for category in column.categories), missing]


class LearnedRepresentation(TransformerMixin, BaseEstimator):
    """The last hidden layer of a multilayer perceptron trained on the rows it is fitted on.

    `units`: its width. `alpha`: the penalty on the weights, strong, since some hundred records would otherwise be
    fitted without error. `steps`: of the optimiser, at most. Input: float (n, d). Output: float64 (n, units), from 0.
    """

    def __init__(self, units: int = 16, alpha: float = 10.0, steps: int = 100, seed: int = 0) -> None:
        self.units = units
        self.alpha = alpha
        self.steps = steps
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> LearnedRepresentation:
        """Train the perceptron on the labels `y`."""
        perceptron = MLPClassifier(
            (self.units,), alpha=self.alpha, solver="lbfgs", max_iter=self.steps, random_state=self.seed
        )
        with warnings.catch_warnings():
            # A representation does not need the last decimals of the loss.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.perceptron_ = perceptron.fit(X, y)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the activations of the hidden layer."""
        check_is_fitted(self)
        return np.maximum(X @ self.perceptron_.coefs_[0] + self.perceptron_.intercepts_[0], 0)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:  # noqa: ARG002 (scikit-learn's signature)
        """Return `unit 0`, `unit 1`, …"""
        check_is_fitted(self)
        return np.asarray([f"unit {i}" for i in range(self.units)], dtype=object)


class Reduction(TransformerMixin, BaseEstimator):
    """Principal components: `components` of them, or as many as there are columns or rows. Output: float64."""

    def __init__(self, components: int) -> None:
        self.components = components

    def fit(self, X: np.ndarray, y: Any = None) -> Reduction:  # noqa: ARG002 (scikit-learn's signature)
        """Find the components of rows (n, d)."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: np.ndarray, y: Any = None) -> np.ndarray:  # noqa: ARG002 (scikit-learn's signature)
        """Find the components of rows (n, d) and return the rows' own, to the last bit those of the decomposition."""
        self.pca_ = PCA(min(self.components, *X.shape), random_state=0)
        return np.asarray(self.pca_.fit_transform(X))

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the components of rows, shape (n, components)."""
        check_is_fitted(self)
        return np.asarray(self.pca_.transform(X))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002 (scikit-learn's signature)
        """Return `pca0`, `pca1`, …"""
        check_is_fitted(self)
        return np.asarray(self.pca_.get_feature_names_out(), dtype=object)


def make_encoder(columns: list[str], components: int, represented: bool = False) -> ColumnTransformer:
    """Return an unfitted encoder for a feature table with these columns.

    Numbers of the record are imputed by the median, with an indicator, and standardised; its categories become
    indicators; if `represented`, a learned representation of both replaces them, and the encoder must be fitted with
    labels. Columns named `embedding_…`, and those named `pixel_…`, are standardised and reduced to `components`
    principal components, at most; all others are image descriptors, imputed by the median and standardised.
    """
    numbers = [name for name in columns if name in COLUMN and COLUMN[name].kind is Kind.NUMBER]
    categories = [name for name in columns if name in COLUMN and COLUMN[name].kind is not Kind.NUMBER]
    embeddings = [name for name in columns if name.startswith(EMBEDDING_PREFIX)]
    pixels = [name for name in columns if name.startswith(PIXEL_PREFIX)]
    descriptors = [name for name in columns if name not in {*COLUMN, *embeddings, *pixels}]

    def imputed(*, add_indicator: bool) -> Pipeline:
        impute = SimpleImputer(strategy="median", keep_empty_features=True, add_indicator=add_indicator)
        return Pipeline([("impute", impute), ("scale", StandardScaler())])

    def reduced() -> Pipeline:
        return Pipeline([("scale", StandardScaler()), ("reduce", Reduction(components))])

    record: list[tuple[str, Any, list[str]]] = [
        ("numbers", imputed(add_indicator=True), numbers),
        ("categories", CategoryIndicators(), categories),
    ]
    if represented:
        learned = Pipeline([("encode", ColumnTransformer(_used(record))), ("learn", LearnedRepresentation())])
        record = [(REPRESENTATION, learned, [*numbers, *categories])]
    image = [
        ("descriptors", imputed(add_indicator=False), descriptors),
        ("embeddings", reduced(), embeddings),
        ("pixels", reduced(), pixels),
    ]
    return ColumnTransformer(_used([*record, *image]), verbose_feature_names_out=False)


def _used(parts: list[tuple[str, Any, list[str]]]) -> list[tuple[str, Any, list[str]]]:
    """Return the parts that have columns."""
    return [part for part in parts if part[2]]


def image_weight_settings(encoder: ColumnTransformer, weight: float) -> dict[str, Any]:
    """Return the settings of an unfitted encoder that multiply the image's outputs by `weight`; 0 leaves them out."""
    if weight == 0:
        return {part: "drop" for part, _, _ in encoder.transformers if part in IMAGE_PARTS}
    return {"transformer_weights": None if weight == 1 else dict.fromkeys(IMAGE_PARTS, weight)}


def encode(encoder: ColumnTransformer, table: pd.DataFrame) -> np.ndarray:
    """Return the encoding of a feature table by a fitted encoder, float64 (n, p).

    The same as its `transform`, without the checks and the parallel scaffold that take longer than one case's numbers.
    """
    weights = encoder.transformer_weights or {}
    kept = [(name, part, columns) for name, part, columns in encoder.transformers_ if part != "drop"]
    return np.hstack([part.transform(table[columns]) * weights.get(name, 1.0) for name, part, columns in kept])


def encoded_sources(encoder: ColumnTransformer) -> list[str]:
    """Return, for each output of a fitted encoder, the column that it comes from, or its part if that is in `MIXED`."""
    sources: list[str] = []
    for part, transformer, columns in encoder.transformers_:
        names = () if transformer == "drop" else transformer.get_feature_names_out(columns)
        mixed = part in MIXED
        sources += [part if mixed else name.removeprefix("missingindicator_").partition(": ")[0] for name in names]
    return sources


def left_out_sources(encoder: ColumnTransformer) -> list[str]:
    """Return the columns of the feature table, or parts in `MIXED`, that a fitted encoder leaves out."""
    sources: list[str] = []
    for part, transformer, columns in encoder.transformers_:
        if transformer == "drop" and part in IMAGE_PARTS:
            sources += [part] if part in MIXED else columns
    return sources


def is_number(encoder: ColumnTransformer) -> np.ndarray:
    """Return which outputs of a fitted encoder are numbers, bool (p,): no indicator, no rank."""
    numbers = np.zeros(len(encoder.get_feature_names_out()), dtype=bool)
    for part in {"numbers", "descriptors", *MIXED} & set(encoder.named_transformers_):
        numbers[encoder.output_indices_[part]] = True
    if "numbers" in encoder.named_transformers_:
        # Behind the numbers stand the indicators of those that are missing.
        part = encoder.output_indices_["numbers"]
        numbers[part.start + encoder.named_transformers_["numbers"].n_features_in_ : part.stop] = False
    return numbers
