from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.published_study.protocol import SHORTCUTS, Protocol, Splitting, make_splits, tuning_groups
from lesion_fusion.published_study.rows import balanced_rows
from tests.published_study.toy import toy_cases

SPLITTING = Splitting(test_share=0.2, folds=5, random_splits=3)
WITHOUT_COPIES_IN_THE_TEST = [
    Protocol.of(*(name for name in taken if name != "augment_before_split"))
    for taken in ((), *((name,) for name in SHORTCUTS), tuple(SHORTCUTS))
]


def kept(protocol: Protocol, images_per_patient: int = 1) -> pd.DataFrame:
    counts = {"benign": 60, "malignant": 36, "normal": 8}
    rows = balanced_rows(toy_cases(counts, images_per_patient), 0.02, 1)
    return rows[rows["label"].isin(protocol.classes)].reset_index(drop=True)


@pytest.mark.parametrize("protocol", WITHOUT_COPIES_IN_THE_TEST, ids=lambda protocol: protocol.name)
@pytest.mark.parametrize("seed", range(3))
def test_without_the_shortcut_no_copy_crosses_the_split(protocol: Protocol, seed: int):
    rows = kept(protocol, images_per_patient=2)
    for split in make_splits(rows, protocol, SPLITTING, seed, 3):
        train, test = rows.iloc[split.train], rows.iloc[split.test]
        assert not set(train["patient_id"]) & set(test["patient_id"])
        assert (test["copy"] == 0).all()
        assert set(train["label"]) == set(protocol.classes)


@pytest.mark.parametrize("protocol", [Protocol(), Protocol.of("augment_before_split")], ids=lambda one: one.name)
def test_with_the_shortcut_copies_of_tested_cases_are_trained_on(protocol: Protocol):
    rows = kept(protocol)
    split = make_splits(rows, protocol, SPLITTING, 1)[0]
    assert set(rows["origin"].iloc[split.train]) & set(rows["origin"].iloc[split.test])
    assert len(split.train) + len(split.test) == len(rows)


@pytest.mark.parametrize("shortcuts", [(), ("augment_before_split",), ("masked_normal_images",)])
def test_cross_validation_tests_every_row_once(shortcuts: tuple[str, ...]):
    protocol = Protocol.of(*shortcuts)
    rows = kept(protocol)
    tested = np.concatenate([split.test for split in make_splits(rows, protocol, SPLITTING, 1)])
    testable = rows if protocol.augment_before_split else rows[rows["copy"] == 0]
    assert sorted(tested) == sorted(testable.index)


def test_single_test_sets_differ_and_the_first_does_not_depend_on_how_many_are_drawn():
    protocol = Protocol.of("single_test_set")
    rows = kept(protocol)
    three, one = make_splits(rows, protocol, SPLITTING, 1, 3), make_splits(rows, protocol, SPLITTING, 1)
    assert len(three) == 3
    assert len(one) == 1
    assert (three[0].test == one[0].test).all()
    assert set(three[0].test) != set(three[1].test)
    assert len(one[0].test) == pytest.approx(0.2 * (rows["copy"] == 0).sum(), abs=1)


def test_the_published_protocol_holds_out_93_of_462_rows():
    rows = balanced_rows(toy_cases({"benign": 154, "malignant": 98, "normal": 4}), 0.02, 1)
    assert rows["label"].value_counts().to_dict() == {"benign": 154, "malignant": 154, "normal": 154}
    (split,) = make_splits(rows, Protocol(), SPLITTING, 1)
    assert len(rows) == 462
    assert len(split.test) == 93
    assert rows["label"].iloc[split.test].value_counts().to_dict() == {"benign": 31, "malignant": 31, "normal": 31}


def test_the_search_keeps_patients_together_unless_copies_are_spread():
    rows = kept(Protocol())
    assert len(set(tuning_groups(rows, Protocol()))) == len(rows)
    assert set(tuning_groups(rows, Protocol.of())) == set(rows["patient_id"])


def test_a_protocol_is_named_by_its_shortcuts():
    assert Protocol().name == "paper"
    assert Protocol.of().name == "leak-free"
    assert Protocol.of("outcome_columns").name == "outcome_columns"
    assert Protocol(single_test_set=False).shortcuts == tuple(SHORTCUTS)[:3]
