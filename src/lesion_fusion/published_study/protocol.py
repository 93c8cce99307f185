"""The protocol by its four shortcuts, each a switch of its own, and the splits that follow from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.model_selection import train_test_split

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.cohort.study import CLASSES
from lesion_fusion.imaging.parameters import MaskSelection
from lesion_fusion.parameters import Parameters
from lesion_fusion.tabular.out_of_fold import Split

SHORTCUTS = ("augment_before_split", "outcome_columns", "masked_normal_images", "single_test_set")
# A fifth, priced where networks draw outlines too: the leak-free protocol keeps the drawn ones, so that its figures are
# the same with networks and without.
DRAWN_OUTLINES = "drawn_outlines"


class Protocol(Parameters):
    """A protocol by its shortcuts: all of them make the published one, none the leak-free one.

    `augment_before_split`: copies of a tested case are trained on. `outcome_columns`: columns known with the outcome
    are inputs. `masked_normal_images`: normal cases, whose images are black, are a third class. `single_test_set`: one
    random split instead of cross-validation.
    """

    augment_before_split: bool = True
    outcome_columns: bool = True
    masked_normal_images: bool = True
    single_test_set: bool = True

    @classmethod
    def of(cls, *shortcuts: str) -> Protocol:
        """Return the protocol with these shortcuts and no other; without any it is the leak-free one."""
        return cls(**{name: name in shortcuts for name in SHORTCUTS})

    @property
    def shortcuts(self) -> tuple[str, ...]:
        """The shortcuts taken."""
        return tuple(name for name in SHORTCUTS if getattr(self, name))

    @property
    def name(self) -> str:
        """`paper`, `leak-free`, or the shortcuts taken."""
        return "paper" if self == Protocol() else " + ".join(self.shortcuts) or "leak-free"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes to distinguish, the one of interest last."""
        return CLASSES["three_class" if self.masked_normal_images else "malignancy"]

    @property
    def masks(self) -> MaskSelection:
        """The masks outside of which an image is black."""
        return "tumor_and_other" if self.masked_normal_images else "tumor"


class Splitting(Parameters):
    """How rows are divided.

    `test_share`: of a single test set. `folds`: of the cross-validation in its place. `random_splits`: how many single
    test sets are drawn to show how far they differ; the first of them is *the* test set.
    """

    test_share: float = Field(default=0.2, gt=0, lt=1)
    folds: int = Field(default=5, ge=2)
    random_splits: int = Field(default=10, ge=1)


class Alteration(Parameters):
    """How far a copy may differ from its case.

    `noise`: standard deviation of a number's relative change. `rotation`: degrees to either side. `zoom`: change of
    scale, as a share. `shear`: tangent of its angle.
    """

    noise: float = Field(default=0.02, ge=0, le=1)
    rotation: float = Field(default=15.0, ge=0, le=180)
    zoom: float = Field(default=0.1, ge=0, lt=1)
    shear: float = Field(default=0.1, ge=0, le=1)


def tuning_groups(rows: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """Return what stays together in the search inside a training part (n,): patients, or single rows."""
    return rows["case_id" if protocol.augment_before_split else "patient_id"].to_numpy()


def make_splits(
    rows: pd.DataFrame, protocol: Protocol, splitting: Splitting, seed: int, random_splits: int = 1
) -> list[Split]:
    """Return the splits of `rows` (case_id, patient_id, label, copy): stratified, the same for any order of patients.

    With `augment_before_split` rows are dealt out, whatever they are copies of. Without it patients are: the copies of
    a training case are trained on, those of a tested case are not used. With `single_test_set` there are
    `random_splits` repeats of one fold; without it one repeat of several folds.
    """
    unit_of_row = tuning_groups(rows, protocol)
    units = pd.Series(rows["label"].to_numpy(), index=unit_of_row).groupby(level=0, sort=True).first()
    labels, everyone = units.to_numpy(), np.arange(len(units))
    if protocol.single_test_set:
        share = splitting.test_share
        seeds = [derived_seed(seed, 2, number) for number in range(random_splits)]
        drawn = [train_test_split(everyone, test_size=share, stratify=labels, random_state=one)[1] for one in seeds]
        tested = {(number, 0): test for number, test in enumerate(drawn)}
    else:
        folds = inner_folds(labels, everyone, splitting.folds, derived_seed(seed, 2))
        tested = {(0, fold): test for fold, (_, test) in enumerate(folds)}
    unit = units.index.get_indexer(pd.Index(unit_of_row))
    testable = protocol.augment_before_split | (rows["copy"] == 0).to_numpy()
    splits = []
    for (repeat, fold), test in tested.items():
        held_out = np.isin(unit, test)
        splits.append(Split(repeat, fold, np.flatnonzero(~held_out), np.flatnonzero(held_out & testable)))
    return splits
