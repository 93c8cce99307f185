"""The four shortcuts of the published protocol, each a switch of its own."""

from __future__ import annotations

from collections.abc import Mapping

from lesion_fusion.cohort.study import CLASSES
from lesion_fusion.imaging.parameters import MaskSelection
from lesion_fusion.parameters import Parameters

# What each shortcut does, and what is done without it.
SHORTCUTS: Mapping[str, tuple[str, str]] = {
    "augment_before_split": (
        "altered copies balance the classes before the split, so that copies of a tested case are trained on",
        "copies are made of training cases alone, and originals alone are tested, a patient on one side only",
    ),
    "outcome_columns": (
        "columns that became known with the outcome are among the inputs",
        "no column of the outcome is an input",
    ),
    "masked_normal_images": (
        "normal cases are a third class: their masked images are black and their descriptors read 'not applicable'; "
        "masks of other structures, which benign cases alone have, are merged in",
        "lesions alone, benign or malignant, each under the mask of the lesion itself",
    ),
    "single_test_set": (
        "one random split into training and test part",
        "cross-validation: every case is tested once, by a model that did not see it",
    ),
}


class Protocol(Parameters):
    """A protocol by its shortcuts: all of them make the published one, none the leak-free one (see `SHORTCUTS`)."""

    augment_before_split: bool = True
    outcome_columns: bool = True
    masked_normal_images: bool = True
    single_test_set: bool = True

    @classmethod
    def of(cls, *shortcuts: str) -> Protocol:
        """Return the protocol that takes these shortcuts and no other; without any it is the leak-free one."""
        return cls(**{name: name in shortcuts for name in SHORTCUTS})

    @property
    def shortcuts(self) -> tuple[str, ...]:
        """The shortcuts taken."""
        return tuple(name for name in SHORTCUTS if getattr(self, name))

    @property
    def name(self) -> str:
        """`paper`, `leak-free`, or the shortcuts taken."""
        taken = self.shortcuts
        return "paper" if len(taken) == len(SHORTCUTS) else " + ".join(taken) or "leak-free"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes told apart, the one looked for last."""
        return CLASSES["three_class" if self.masked_normal_images else "malignancy"]

    @property
    def masks(self) -> MaskSelection:
        """Which masks are laid over an image."""
        return "tumor_and_other" if self.masked_normal_images else "tumor"
