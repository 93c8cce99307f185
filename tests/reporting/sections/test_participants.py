from __future__ import annotations

import pandas as pd
import pytest

from lesion_fusion.cohort.audit.cohort_audit import audit
from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.study import Study, study_cases
from lesion_fusion.reporting.sections.participants import characteristics, flow
from tests.reporting.toy import toy_cases

CLASSES = ("benign", "malignant")


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    return toy_cases()


def test_every_case_is_somewhere_in_the_flow(cases: pd.DataFrame) -> None:
    excluded = pd.DataFrame({"case_id": ["a", "a", "b"], "kind": ["no image", "no age", "no image"]})
    study = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
    tables = audit(cases, excluded, [], [], [], study, CohortAudit())["tables"]
    found = flow(tables, study_cases(cases, "malignancy"), CLASSES)
    assert found.read == found.n_excluded + sum(found.left_out.values()) + found.studied
    assert found.n_excluded == 2
    assert found.excluded == {"no age": 1, "no image": 2}
    assert found.left_out == {"normal": 4}
    assert sum(found.classes.values()) == found.studied


def test_counts_of_a_category_add_up_over_the_classes(cases: pd.DataFrame) -> None:
    studied = study_cases(cases, "malignancy")
    for variable in characteristics(studied, ["shape", "margin", "verification"], CLASSES):
        for _, cells in variable.rows:
            *of_classes, of_all = (int(cell.split()[0]) for cell in cells)
            assert sum(of_classes) == of_all


def test_a_column_of_one_category_a_case_adds_up_to_its_cases(cases: pd.DataFrame) -> None:
    studied = study_cases(cases, "malignancy")
    (shape,) = characteristics(studied, ["shape"], CLASSES)
    assert sum(int(cells[-1].split()[0]) for _, cells in shape.rows) == len(studied)
    assert shape.note == ""


def test_missing_ages_are_counted_apart(cases: pd.DataFrame) -> None:
    studied = study_cases(cases, "malignancy")
    (age,) = characteristics(studied, ["age"], CLASSES)
    known = studied["age"].dropna()
    assert dict(age.rows)["missing"][-1].startswith(f"{len(studied) - len(known)} ")
    assert dict(age.rows)["median (quartiles)"][-1].startswith(f"{known.median():.3g} ")


def test_columns_that_hold_nothing_are_left_out(cases: pd.DataFrame) -> None:
    empty = study_cases(cases, "malignancy").assign(halo=pd.Series(pd.NA, dtype="str"))
    assert characteristics(empty, ["halo"], CLASSES) == []
