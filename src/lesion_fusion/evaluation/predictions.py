"""The predictions table every model hands on: its schema, its check and its form as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

FAMILIES = ("clinical", "imaging", "fusion")
"""The families of models that stand on the leaderboard."""
PROBABILITY_PREFIX = "p_"
EXAMPLES_SHOWN = 5


def class_names(predictions: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of a predictions table, in the order of its ``p_<class>`` columns."""
    names = map(str, predictions.columns)
    return tuple(name.removeprefix(PROBABILITY_PREFIX) for name in names if name.startswith(PROBABILITY_PREFIX))


def _rows_sum_to_one(table: pd.DataFrame) -> pd.Series:
    total = table.filter(regex=f"^{PROBABILITY_PREFIX}").sum(axis=1)
    return pd.Series(np.isclose(total, 1.0, rtol=0, atol=1e-6), index=table.index)


def _distinct(table: pd.DataFrame, column: str) -> pd.Series:
    return table.groupby("case_id")[column].transform("nunique")


def _threshold_per_fold(table: pd.DataFrame) -> pd.Series:
    if len(class_names(table)) != 2:
        return table["threshold"].isna()
    distinct = table.groupby(["repeat", "fold"])["threshold"].transform("nunique", dropna=False)
    return table["threshold"].notna() & (distinct == 1)


_TABLE_CHECKS: dict[str, Callable[[pd.DataFrame], bool | pd.Series]] = {
    "at least two classes (columns p_<class>) are needed": lambda t: len(class_names(t)) >= 2,
    "the table must hold at least one row": lambda t: len(t) > 0,
    "the table must hold one model: one protocol, one family, one model": lambda t: (
        len(t[["protocol", "family", "model"]].drop_duplicates()) <= 1
    ),
    "the probabilities of a row must sum to 1": _rows_sum_to_one,
    "the label must be one of the classes of the p_<class> columns": lambda t: t["label"].isin(class_names(t)),
    "a case must stand once in a repeat": lambda t: ~t.duplicated(["repeat", "case_id"], keep=False),
    "a case must stand in every repeat": lambda t: _distinct(t, "repeat") == t["repeat"].nunique(),
    "a case must have one label in all repeats": lambda t: _distinct(t, "label") == 1,
    "the threshold must be one number in each fold of two classes, and NaN for more classes": _threshold_per_fold,
}

SCHEMA = pa.DataFrameSchema(
    {
        **{name: pa.Column(str) for name in ("protocol", "model", "case_id", "label")},
        "family": pa.Column(str, pa.Check.isin([*FAMILIES, "pretraining", "combinations"])),
        **{name: pa.Column(int, pa.Check.ge(0)) for name in ("repeat", "fold")},
        "^p_.+$": pa.Column(float, [pa.Check.ge(0), pa.Check.le(1)], regex=True),
        "threshold": pa.Column(float, pa.Check.ge(0), nullable=True),
    },
    checks=[pa.Check(check, error=error) for error, check in _TABLE_CHECKS.items()],
    # A misspelt column would otherwise pass unseen.
    strict=True,
)
"""Contract of a predictions table: one model, one row per repeat and case.

``p_<class>`` columns stand in class order; of two classes the last is the positive one. `threshold` is the probability
of the positive class from which on the decision is positive.
"""


def _defects(failures: pd.DataFrame) -> list[str]:
    """Return one sentence per kind of defect, from pandera's table of failures."""
    # A column of the wrong type makes the checks that read it fail with an exception: consequences, not defects.
    consequence = failures["failure_case"].astype(str).str.match(r"(TypeError|KeyError|AttributeError|ValueError)\(")
    failures = failures[~consequence] if not consequence.all() else failures
    sentences = []
    for check, group in failures.groupby("check", sort=False):
        rows = list(dict.fromkeys(group["index"].dropna()))
        if check in ("column_in_schema", "column_in_dataframe"):
            what = "unknown" if check == "column_in_schema" else "missing"
            sentences.append(f"{what} columns: {', '.join(map(str, group['failure_case']))}")
        elif group["schema_context"].eq("Column").all():
            for column, cells in group.groupby("column", sort=False):
                values = ", ".join(map(repr, cells["failure_case"].head(EXAMPLES_SHOWN)))
                places = ", ".join(map(str, cells["index"].dropna().head(EXAMPLES_SHOWN)))
                where = f" in rows {places}" if places else ""
                sentences.append(f"column {column}: {check} not met by {values}{where} ({len(cells)} in all)")
        elif rows:
            sentences.append(f"{check}: rows {', '.join(map(str, rows[:EXAMPLES_SHOWN]))} ({len(rows)} in all)")
        else:
            sentences.append(str(check))
    return sentences


def validate_predictions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return `predictions` unchanged; raises ValueError with every breach of the contract (`SCHEMA`)."""
    try:
        SCHEMA.validate(predictions, lazy=True)
    except pa.errors.SchemaErrors as error:
        defects = "\n".join(f"  - {sentence}" for sentence in _defects(error.failure_cases))
        raise ValueError(f"The predictions table does not keep its contract:\n{defects}") from error
    return predictions


@dataclass(frozen=True, eq=False)
class PredictionArrays:
    """A predictions table as arrays, cases sorted by `case_ids` (n,), repeats in ascending order (r).

    `labels` (n,) holds class indices; `folds` (r, n) the fold a case was tested in; `probabilities` (r, n, classes)
    sum to 1; `decisions` (r, n) holds class indices: of two classes the positive one from the fold's threshold on,
    of more classes the most probable (the first of equals).
    """

    protocol: str
    family: str
    model: str
    classes: tuple[str, ...]
    case_ids: NDArray[np.str_]
    labels: NDArray[np.intp]
    repeats: NDArray[np.intp]
    folds: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.intp]

    @property
    def name(self) -> str:
        """`<family>.<model>`, as in the catalog."""
        return f"{self.family}.{self.model}"

    @property
    def n_repeats(self) -> int:
        """Number of repeats."""
        return len(self.repeats)

    def subset(self, cases: NDArray[np.intp] | NDArray[np.bool_]) -> PredictionArrays:
        """Return the arrays of the chosen cases (indices or a mask over `case_ids`)."""
        return replace(
            self,
            case_ids=self.case_ids[cases],
            labels=self.labels[cases],
            folds=self.folds[:, cases],
            probabilities=self.probabilities[:, cases],
            decisions=self.decisions[:, cases],
        )

    def in_repeat(self, index: int) -> PredictionArrays:
        """Return the arrays of the repeat at `index` alone."""
        chosen = slice(index, index + 1)
        return replace(
            self,
            repeats=self.repeats[chosen],
            folds=self.folds[chosen],
            probabilities=self.probabilities[chosen],
            decisions=self.decisions[chosen],
        )

    def of_positive(self) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return who is of the last class (n,) and its probability (r, n)."""
        return self.labels == len(self.classes) - 1, self.probabilities[:, :, -1]


def as_arrays(predictions: pd.DataFrame) -> PredictionArrays:
    """Return a predictions table as arrays, whatever its order of rows; ValueError if it breaks its contract."""
    table = validate_predictions(predictions).sort_values(["repeat", "case_id"])
    classes = class_names(table)
    repeats = np.unique(table["repeat"].to_numpy(dtype=np.intp))
    shape = (len(repeats), -1)
    first = table.iloc[0]
    columns = [f"{PROBABILITY_PREFIX}{name}" for name in classes]
    probabilities = table[columns].to_numpy(dtype=np.float64).reshape(*shape, len(classes))
    if len(classes) == 2:
        decisions = probabilities[:, :, 1] >= table["threshold"].to_numpy(dtype=np.float64).reshape(shape)
    else:
        decisions = probabilities.argmax(axis=2)
    codes = pd.Categorical(table["label"], categories=list(classes)).codes
    return PredictionArrays(
        protocol=str(first["protocol"]),
        family=str(first["family"]),
        model=str(first["model"]),
        classes=classes,
        case_ids=table["case_id"].to_numpy(dtype=np.str_).reshape(shape)[0],
        labels=np.asarray(codes, dtype=np.intp).reshape(shape)[0],
        repeats=repeats,
        folds=table["fold"].to_numpy(dtype=np.intp).reshape(shape),
        probabilities=probabilities,
        decisions=decisions.astype(np.intp),
    )


def patient_ids(case_ids: NDArray[np.str_], patients: pd.DataFrame) -> NDArray[np.str_]:
    """Return the patient of each case (n,) by `patients` (case_id, patient_id), which may list further cases.

    Raises ValueError if a case stands twice in `patients`, or not at all, or its patient is missing.
    """
    of_case = patients.set_index("case_id")["patient_id"]
    of_case = of_case[of_case.index.isin(case_ids)]
    if of_case.index.has_duplicates:
        twice = sorted(of_case.index[of_case.index.duplicated()].unique())
        raise ValueError(f"patients lists cases more than once: {', '.join(map(str, twice[:EXAMPLES_SHOWN]))}")
    found = of_case.reindex(case_ids)
    if found.isna().any():
        lost = found.index[found.isna()]
        raise ValueError(
            f"patients names no patient for {len(lost)} cases: {', '.join(map(str, lost[:EXAMPLES_SHOWN]))}; "
            "hand over case_id and patient_id of every predicted case"
        )
    return found.to_numpy(dtype=np.str_)
