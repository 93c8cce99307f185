"""Who was studied: the flow from the files to the folds, and a table of characteristics by outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from lesion_fusion.cohort.schema import COLUMN, Column, Kind, split_cell
from lesion_fusion.cohort.study import Study
from lesion_fusion.notation import percent, words
from lesion_fusion.reporting.page import fill
from lesion_fusion.reporting.parameters import ReportParameters

Groups = Sequence[pd.DataFrame]


@dataclass(frozen=True)
class Flow:
    """Cases from the files to the study: `excluded` by defect, `left_out` by class, `classes` as studied."""

    read: int
    excluded: dict[str, int]
    n_excluded: int
    left_out: dict[str, int]
    studied: int
    patients: int
    classes: dict[str, int]


@dataclass(frozen=True)
class Characteristic:
    """A variable's rows: level and one text per column (each class, then all)."""

    label: str
    note: str
    rows: list[tuple[str, list[str]]]


def write(
    cohort_audit: Mapping[str, Any],
    study_cases: pd.DataFrame,
    folds: pd.DataFrame,
    report_plots: Mapping[str, bytes],
    report: ReportParameters,
    study: Study,
) -> Markup:
    """Return the section as HTML."""
    shown = list(dict.fromkeys([*study.columns, "birads", "verification"]))
    return fill(
        __name__,
        flow=flow(cohort_audit["tables"], study_cases, study.classes),
        characteristics=characteristics(study_cases, shown, study.classes),
        n_folds=folds["fold"].nunique(),
        n_repeats=folds["repeat"].nunique(),
        plots=report_plots,
        cohort=report.cohort,
        study=study,
    )


def flow(tables: Mapping[str, Any], study_cases: pd.DataFrame, classes: Sequence[str]) -> Flow:
    """Return how many cases were read, excluded for a defect, left out by the target, and studied.

    `tables` are those of the audit; a case with several defects counts once in all and once a kind.
    """
    steps = {row["step"]: row["cases"] for row in tables["flow"]}
    return Flow(
        read=steps["rows of the table"],
        excluded={row["kind"]: row["cases"] for row in tables["exclusions"]},
        n_excluded=steps["excluded for defects"],
        left_out={row["label"]: row["before"] for row in tables["classes"] if row["label"] not in classes},
        studied=len(study_cases),
        patients=int(study_cases["patient_id"].nunique()),
        classes={name: int((study_cases["label"] == name).sum()) for name in classes},
    )


def characteristics(study_cases: pd.DataFrame, columns: Sequence[str], classes: Sequence[str]) -> list[Characteristic]:
    """Return the variables of `columns` that hold anything, each by class and over all cases."""
    groups = [study_cases[study_cases["label"] == name] for name in classes] + [study_cases]
    held = [COLUMN[name] for name in columns if study_cases[name].notna().any()]
    return [_characteristic(column, groups) for column in held if column.kind is Kind.NUMBER or column.categories]


def _characteristic(column: Column, groups: Groups) -> Characteristic:
    known, note = [group[column.name].dropna() for group in groups], ""
    rows = []
    if column.kind is Kind.NUMBER:
        rows.append(("median (quartiles)", [_quartiles(values) for values in known]))
    else:
        parts = [values.map(split_cell) for values in known]
        note = "several may apply" if any(len(cell) > 1 for cell in parts[-1]) else ""
        counts = [cells.explode().value_counts() for cells in parts]
        for category in column.categories:
            if category in counts[-1]:
                shares = [_share(n.get(category, 0), len(cells)) for n, cells in zip(counts, parts, strict=True)]
                rows.append((words(category), shares))
    missing = [int(group[column.name].isna().sum()) for group in groups]
    if missing[-1]:
        rows.append(("missing", [_share(n, len(group)) for n, group in zip(missing, groups, strict=True)]))
    return Characteristic(column.description, note, rows)


def _quartiles(values: pd.Series) -> str:
    if values.empty:
        return "no value"
    low, middle, high = values.quantile([0.25, 0.5, 0.75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def _share(n: int, whole: int) -> str:
    return f"{n} ({percent(n / whole)})" if whole else "0"
