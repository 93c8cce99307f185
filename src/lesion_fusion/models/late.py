"""Several fitted models whose probabilities are joined, also where some of them can't answer."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from lesion_fusion.fusion.fitting import FittedFusion
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.inputs import CaseInputs, FittedModel
from lesion_fusion.models.needs import Need, can_answer
from lesion_fusion.tabular.calibration import Calibration


@dataclass(frozen=True)
class FittedLateFusion:
    """Implements `models.inputs.FittedModel` for a late fusion of `members`, each under its `<family>.<model>`.

    `fusions` has the rule, calibration and threshold for all members, and for each smaller set of them that answers
    alone where a part of the case is missing; keys are names of members in the order of `members`. `shifts`: how far
    the answer of all members lies from that of each such set, out of fold, as a root mean square of log-odds.
    """

    family: str
    name: str
    classes: tuple[str, ...]
    members: Mapping[str, FittedModel]
    fusions: Mapping[tuple[str, ...], FittedFusion]
    shifts: Mapping[tuple[str, ...], float]

    @property
    def fusion(self) -> FittedFusion:
        """The fusion of all members."""
        return self.fusions[tuple(self.members)]

    @property
    def threshold(self) -> float:
        """The decision threshold."""
        return self.fusion.threshold

    @property
    def calibration(self) -> Calibration:
        """The calibration of the fusion of all members."""
        return self.fusion.calibration

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns any member reads."""
        return tuple(dict.fromkeys(chain.from_iterable(member.record_columns for member in self.members.values())))

    @property
    def uses_descriptors(self) -> bool:
        """Whether any member needs image descriptors."""
        return any(member.uses_descriptors for member in self.members.values())

    @property
    def image_inputs(self) -> tuple[ImageInput, ...]:
        """How images must be prepared for any member."""
        return tuple(dict.fromkeys(chain.from_iterable(member.image_inputs for member in self.members.values())))

    def probabilities(self, inputs: CaseInputs) -> np.ndarray:
        """Return calibrated probabilities, shape (n, k)."""
        # The names are those of members here; a member that is a late fusion too may have another model of that name.
        to_members = replace(inputs, answered={}) if inputs.answered else inputs
        return self.fusion.probabilities(
            np.stack(
                [
                    inputs.answered[name] if name in inputs.answered else member.probabilities(to_members)
                    for name, member in self.members.items()
                ]
            )
        )


def answering(members: Mapping[str, FittedModel], given: Set[Need]) -> tuple[str, ...]:
    """Return the names of the members that can answer where this much is given of a case, in their order."""
    return tuple(name for name, member in members.items() if can_answer(member, given))


def reduced(model: FittedModel, given: Set[Need]) -> FittedModel | None:
    """Return what answers for `model` where this much is given of a case; None where nothing can.

    The model itself if it needs no more. Else of a late fusion the members that can answer: one by itself, several as
    the fusion that was fitted for them.
    """
    if can_answer(model, given):
        return model
    if not isinstance(model, FittedLateFusion):
        return None
    names = answering(model.members, given)
    if len(names) < 2:
        return model.members[names[0]] if names else None
    return replace(model, members={name: model.members[name] for name in names})


def shift(model: FittedModel, given: Set[Need]) -> float:
    """Return how far the answer to the whole case may lie from that of `reduced`, a standard deviation of log-odds."""
    if not isinstance(model, FittedLateFusion) or can_answer(model, given):
        return 0.0
    return model.shifts[answering(model.members, given)]
