"""The kind `late`: the probabilities of several models joined by a rule, also where some of them can't answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator
from scipy.special import logit

from lesion_fusion.cohort.folds import derived_seed, inner_folds
from lesion_fusion.cohort.study import SmallCohortError, Study
from lesion_fusion.errors import did_you_mean
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.base import (
    GIVEN,
    WITHOUT,
    CaseInputs,
    Description,
    FittedModel,
    ModelName,
    ModelParameters,
    Need,
    TrainedModel,
    Trial,
    load_member,
    number_from_json,
    number_to_json,
    root_mean_square,
    save_model,
)
from lesion_fusion.models.classifier import classifier_name
from lesion_fusion.models.late_rules import RULES, FittedRule, Mean, RuleName, fit_rule, load_rule
from lesion_fusion.notation import listing, words
from lesion_fusion.tabular.calibration import Calibration, decision_threshold
from lesion_fusion.tabular.classifiers import CLASSIFIERS
from lesion_fusion.tabular.out_of_fold import REFIT, predictions_table
from lesion_fusion.tabular.parameters import Tuning

_KEYS = ["repeat", "fold", "case_id"]

# Repeat and fold of a training, or twice `REFIT`.
Training = tuple[int, int]


class Late(ModelParameters):
    """A late fusion of `members`, models by their names `<family>.<model>`, in any order, joined by a `rule`.

    `mean`: the mean probability. `majority_vote`: the share of members that decide for a class, equal shares in the
    order of the mean probability. `weighted`: a weighted mean of log probabilities. `stacking`: `classifier`, trained
    on the members' log-odds. Rule, calibration and threshold are fitted inside each training fold. A fusion that is not
    `calibrated`, of models that learn nothing of this cohort, is their mean, with the mean of their thresholds.
    """

    kind: Literal["late"] = "late"
    members: tuple[str, ...] = Field(min_length=2)
    rule: RuleName = "mean"
    classifier: str | None = None
    calibrated: bool = True

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in members if members.count(name) > 1})
        if twice:
            raise ValueError(f"a member counts once; named more often: {', '.join(twice)}")
        return members

    @model_validator(mode="after")
    def _rule_fits(self) -> Late:
        known = ", ".join(sorted(CLASSIFIERS))
        if not self.calibrated and self.rule != "mean":
            raise ValueError(
                f"the rule {self.rule} learns from this cohort and is calibrated; only the rule mean need not be"
            )
        if (self.rule == "stacking") != (self.classifier is not None):
            raise ValueError(f"the rule stacking, and no other, needs a `classifier`: one of {known}")
        if self.classifier is not None and self.classifier not in CLASSIFIERS:
            raise ValueError(f"no classifier is called {self.classifier!r}; there are: {known}")
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """Its members."""
        return self.members

    def inputs(self, model: ModelName) -> dict[str, str]:
        """Return the datasets that training reads: the members, each by itself or by its family."""
        sources = dict.fromkeys(model.source(member) for member in sorted(self.members))
        return {"tuning": "params:tuning", "cases": "study_cases", **{source: source for source in sources}}

    def faults(self, entries: Mapping[str, ModelParameters]) -> Iterator[tuple[str, str]]:
        """Yield the faults of this entry: members that do not exist, or that learn where the fusion must not."""
        learns = "learns from this cohort, so that it can't be averaged with `calibrated: false`"
        others = [other for other, entry in entries.items() if entry is not self]
        uncalibrated = [other for other in others if not getattr(entries[other], "calibrated", True)]
        for name in self.members:
            if name not in entries:
                yield "members", f"{name} is no model. {did_you_mean(name, entries)}"
            elif not self.calibrated and getattr(entries[name], "calibrated", True):
                yield "members", f"{name} {learns}. {did_you_mean(name, uncalibrated)}"

    def evaluate(self, trial: Trial) -> dict[str, pd.DataFrame]:
        """Return the tables of the fusion of those members that were evaluated in the trial."""
        read = trial.read
        found = {name: Member(read("predictions", name), read("inner_predictions", name)) for name in self.members}
        members = {name: member for name, member in found.items() if len(member.predictions)}
        seeds = {(split.repeat, split.fold): split.seed for split in trial.seeded_splits(6)}
        patients = trial.rows.assign(patient_id=trial.groups)
        result = fuse(members, patients, trial.classes, self, trial.tuning, seeds)
        predictions = result.predictions.drop(columns="threshold")
        return {"predictions": predictions, "inner_predictions": result.inner_predictions}

    def describe(self) -> Description:
        """Return the fusion in words."""
        rule = RULES[self.rule]
        stacker = f" by {classifier_name(self.classifier)}" if self.classifier else ""
        return Description(
            what=f"late fusion, {words(self.rule)}{stacker}",
            sees=f"the probabilities of {listing(list(self.members))}",
            tuned=rule.learns if self.calibrated else "nothing",
            settled=rule.settled_text,
        )


@dataclass(frozen=True)
class FittedFusion:
    """A rule with its calibration and decision threshold."""

    rule: FittedRule
    calibration: Calibration
    threshold: float

    def probabilities(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated joint probabilities, shape (n, k), of members' probabilities, shape (members, n, k)."""
        return self.calibration.probabilities(self.rule.scores(probabilities))

    def store(self, stacker: Path) -> dict[str, Any]:
        """Return the fusion as JSON takes it; the estimator of a stacking is written to the file `stacker`."""
        return {
            "rule": self.rule.store(stacker),
            "calibration": self.calibration.to_json(),
            "threshold": number_to_json(self.threshold),
        }

    @classmethod
    def load(cls, values: Mapping[str, Any], folder: Path) -> Self:
        """Return the fusion that `store` wrote into `folder`."""
        calibration, threshold = Calibration.from_json(values["calibration"]), number_from_json(values["threshold"])
        return cls(load_rule(values["rule"], folder), calibration, threshold)


def fit_fusion(
    parameters: Late, probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray, tuning: Tuning, seed: int
) -> tuple[FittedFusion, np.ndarray]:
    """Return the fusion fitted on the members' inner predictions, and its own probabilities (n, k) of these cases.

    `probabilities` (members, n, k) are of cases that no member saw, `labels` (n,) positions of classes, `groups` (n,)
    patients. The rule is fitted on all cases; calibration and threshold on scores of rules fitted without the case, by
    cross-validation grouped by patient, because a rule is too sure of a case that it learned from. Raises
    `SmallCohortError` where a class has fewer than two patients.
    """
    n_classes = probabilities.shape[2]
    if any(len(np.unique(groups[labels == k])) < 2 for k in range(n_classes)):
        raise SmallCohortError(
            f"A late fusion learns from cases that all its members ({', '.join(parameters.members)}) predicted inside "
            "the training folds, and needs two patients of each class among them. Leave out the member that predicts "
            "few, such as a network with a small validation part, or use a larger cohort."
        )
    sensitivity = tuning.decision.minimum_sensitivity

    def fitted(rows: np.ndarray | slice) -> FittedRule:
        rule = (parameters.rule, parameters.classifier)
        return fit_rule(*rule, probabilities[:, rows], labels[rows], sensitivity, seed)

    rule = fitted(slice(None))
    scores = np.empty_like(rule.scores(probabilities))
    for train, test in inner_folds(labels, groups, tuning.inner_folds, seed):
        scores[test] = fitted(train).scores(probabilities[:, test])
    calibration = Calibration.fit(scores, labels, n_classes)
    calibrated = calibration.probabilities(scores)
    return FittedFusion(rule, calibration, decision_threshold(calibrated, labels, sensitivity)), calibrated


@dataclass(frozen=True)
class Member:
    """A member of a fusion: its tables of `predictions` and `inner_predictions`, its own `threshold`."""

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    threshold: float = float("nan")


@dataclass(frozen=True)
class LateResult:
    """Result of a late fusion out of fold.

    `predictions` and `inner_predictions` as of any model; `settled`: repeat, fold, and the number that the rule found
    for each member, in a column of its name; `fitted`: the fusion of the last training, that of all cases.
    """

    predictions: pd.DataFrame
    inner_predictions: pd.DataFrame
    settled: pd.DataFrame
    fitted: FittedFusion


def common_trainings(members: Mapping[str, Member]) -> list[Training]:
    """Return the outer folds of the repeats that all members cover."""
    return sorted(set.intersection(*(set(_by_training(member.predictions)) for member in members.values())))


def fuse_out_of_fold(
    members: Mapping[str, Member],
    patients: pd.DataFrame,
    classes: tuple[str, ...],
    parameters: Late,
    tuning: Tuning,
    seed: int,
    trainings: Sequence[Training] | None = None,
) -> LateResult:
    """Fuse members fold by fold, in `trainings` or otherwise in all that they share, and on all cases; see `fuse`."""
    trainings = common_trainings(members) if trainings is None else trainings
    seeds = {key: derived_seed(seed, key[0] + 1, key[1] + 1) for key in [*trainings, (REFIT, REFIT)]}
    return fuse(members, patients, classes, parameters, tuning, seeds)


def fuse(
    members: Mapping[str, Member],
    patients: pd.DataFrame,
    classes: tuple[str, ...],
    parameters: Late,
    tuning: Tuning,
    seeds: Mapping[Training, int],
) -> LateResult:
    """Fuse members in each of the trainings whose seeds are given.

    The order of rows and of members does not matter. In each training the fusion is fitted on the cases for which
    every member has an inner prediction, and applied to the members' predictions of the test cases; one that is not
    calibrated learns nothing. `patients` gives the patient_id of each case_id.
    """
    names = sorted(members)
    columns = [f"p_{name}" for name in classes]
    positions = {name: i for i, name in enumerate(classes)}
    patient_by_case = patients.set_index("case_id")["patient_id"]
    tested = [_by_training(members[name].predictions) for name in names]
    inside = [_by_training(members[name].inner_predictions) for name in names]
    outputs, inner_outputs, settled = [], [], []
    for key, seed in seeds.items():
        inner, cases = _aligned([tables[key] for tables in inside], columns)
        if parameters.calibrated:
            labels = cases["label"].map(positions).to_numpy()
            groups = patient_by_case.loc[cases["case_id"]].to_numpy()
            fitted, calibrated = fit_fusion(parameters, inner, labels, groups, tuning, seed)
        else:
            threshold = np.array([members[name].threshold for name in names]).mean()
            fitted = FittedFusion(Mean(), Calibration.identity(len(classes)), float(threshold))
            calibrated = fitted.probabilities(inner)
        inner_outputs.append(predictions_table(cases, *key, classes, calibrated))
        settled.append({"repeat": key[0], "fold": key[1], **fitted.rule.settled(names)})
        if key != (REFIT, REFIT):
            test, cases = _aligned([tables[key] for tables in tested], columns)
            table = predictions_table(cases, *key, classes, fitted.probabilities(test))
            outputs.append(table.assign(threshold=fitted.threshold))
    tables = (pd.concat(outputs, ignore_index=True), pd.concat(inner_outputs, ignore_index=True))
    return LateResult(*tables, pd.DataFrame(settled), fitted)


def _by_training(table: pd.DataFrame) -> dict[Training, pd.DataFrame]:
    places = table[["repeat", "fold"]].drop_duplicates().to_numpy(dtype=int).tolist()
    return {(repeat, fold): table[(table["repeat"] == repeat) & (table["fold"] == fold)] for repeat, fold in places}


def _aligned(tables: Sequence[pd.DataFrame], columns: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Return probabilities (members, n, k) of the cases in all tables, by case_id, and their case_id and label."""
    indexed = [table.set_index("case_id") for table in tables]
    common = sorted(set(indexed[0].index).intersection(*(table.index for table in indexed[1:])))
    stacked = np.stack([table.loc[common, columns].to_numpy(dtype="float64") for table in indexed])
    return stacked, indexed[0].loc[common, ["label"]].reset_index()


def train(
    parameters: Late, study: Study, tuning: Tuning, cases: pd.DataFrame, *, model: ModelName, **sources: Any
) -> TrainedModel:
    """Fuse the members' predictions; `sources` holds the trained members.

    The reduced predictions are those of the members that answer without a part of the case, named in `without`: in the
    same folds, fused anew in each.
    """
    trained = {name: model.find_source(name, sources) for name in sorted(parameters.members)}
    fitted = {name: one.model for name, one in trained.items()}
    members = {
        name: Member(one.predictions, one.inner_predictions, fitted[name].threshold) for name, one in trained.items()
    }
    trainings = common_trainings(members)
    groups = dict.fromkeys([tuple(fitted), *(answering(fitted, given) for given in GIVEN)])
    fused = {}
    for group in groups:
        if len(group) > 1:
            chosen = {name: members[name] for name in group}
            fused[group] = fuse_out_of_fold(chosen, cases, study.classes, parameters, tuning, study.seed, trainings)
    whole = fused[tuple(fitted)]
    tested = {group: (fused.get(group) or members[group[0]]).predictions for group in groups if group}
    answers = {need: answering(fitted, given) for need, given in WITHOUT.items()}
    reduced = [
        tested[group].merge(whole.predictions[_KEYS], on=_KEYS)[whole.predictions.columns].assign(without=str(need))
        for need, group in answers.items()
        if group
    ]
    # No rows for a part that all members need.
    reduced = reduced or [whole.predictions.iloc[:0].assign(without="")]
    return TrainedModel(
        parameters=parameters,
        predictions=model.identify(whole.predictions, study.protocol),
        inner_predictions=model.identify(whole.inner_predictions, study.protocol),
        training_log=whole.settled,
        model=FittedLate(
            *(model.family, model.name, study.classes),
            members=fitted,
            fusions={group: result.fitted for group, result in fused.items()},
            shifts={group: _shift(table, whole.predictions, study.classes[-1]) for group, table in tested.items()},
        ),
        reduced_predictions=model.identify(pd.concat(reduced, ignore_index=True), study.protocol),
    )


Late.train = staticmethod(train)


def _shift(reduced: pd.DataFrame, whole: pd.DataFrame, positive: str) -> float:
    """Return the root mean square difference of two models' out-of-fold log-odds of the positive class."""
    column = f"p_{positive}"
    both = reduced.merge(whole, on=_KEYS, suffixes=("_reduced", "_whole"))
    odds = both[[f"{column}_reduced", f"{column}_whole"]].to_numpy().clip(1e-6, 1 - 1e-6)
    return root_mean_square(np.diff(logit(odds), axis=1))


@dataclass(frozen=True)
class FittedLate(FittedModel):
    """A late fusion of `members`, each under its `<family>.<model>`.

    `fusions` has the rule, calibration and threshold for all members, and for each smaller set of them that answers
    alone where a part of the case is missing; keys are names of members in the order of `members`. `shifts`: how far
    the answer of all members lies from that of each such set, out of fold, as a root mean square of log-odds.
    """

    kind: ClassVar[str] = "late"

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
    def readers(self) -> Mapping[str, FittedModel]:
        """Its members."""
        return self.members

    @property
    def record_columns(self) -> tuple[str, ...]:
        """The columns that any member reads."""
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
        answers = [
            inputs.answered[name] if name in inputs.answered else member.probabilities(to_members)
            for name, member in self.members.items()
        ]
        return self.fusion.probabilities(np.stack(answers))

    def reduced(self, given: Set[Need]) -> FittedModel | None:
        """Return itself, the fusion fitted for the members that can answer, or a single member; None if none can."""
        if self.can_answer(given):
            return self
        names = answering(self.members, given)
        if len(names) < 2:
            return self.members[names[0]] if names else None
        return replace(self, members={name: self.members[name] for name in names})

    def shift(self, given: Set[Need]) -> float:
        """Return the root mean square of the out-of-fold differences to `reduced`, in log-odds."""
        return 0.0 if self.can_answer(given) else self.shifts[answering(self.members, given)]

    def unused(self, given: Set[Need]) -> list[str]:
        """Return the members that can't answer from these parts of a case."""
        able = answering(self.members, given)
        return [name for name in self.members if name not in able]

    def answered_from_record(self, records: Callable[[Sequence[str]], pd.DataFrame]) -> dict[str, np.ndarray]:
        """Return probabilities (n, k) of the members that read the record alone, by name."""
        return {
            name: member.probabilities(CaseInputs(records(member.record_columns)))
            for name, member in self.members.items()
            if member.needs == {Need.RECORD}
        }

    def field_moves(self, cases: pd.DataFrame, image_descriptors: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the moves of the joined answer; with networks the largest of its members, which it hardly exceeds."""
        if not self.image_inputs:
            return super().field_moves(cases, image_descriptors)
        found: dict[str, np.ndarray] = {}
        for member in self.members.values():
            for name, moves in member.field_moves(cases, image_descriptors).items():
                found[name] = max(moves, found.get(name, np.zeros(1)), key=root_mean_square)
        return found

    def store(self, folder: Path) -> dict[str, Any]:
        """Write each member into a folder of its own; return the fusions."""
        folders = {name: f"member_{i}" for i, name in enumerate(self.members)}
        for name, member in self.members.items():
            save_model(member, folder / folders[name])
        return {
            "members": folders,
            "fusions": [
                {"members": list(names), **fusion.store(folder / f"stacker_{i}.skops")}
                for i, (names, fusion) in enumerate(self.fusions.items())
            ],
            "shifts": [{"members": list(names), "log_odds": value} for names, value in self.shifts.items()],
        }

    @classmethod
    def load(cls, common: dict[str, Any], values: dict[str, Any], folder: Path) -> Self:
        """Return the fusion that `store` wrote."""
        return cls(
            **{name: value for name, value in common.items() if name != "threshold"},
            members={name: load_member(folder, subfolder) for name, subfolder in values["members"].items()},
            fusions={tuple(one["members"]): FittedFusion.load(one, folder) for one in values["fusions"]},
            shifts={tuple(one["members"]): float(one["log_odds"]) for one in values["shifts"]},
        )


def answering(members: Mapping[str, FittedModel], given: Set[Need]) -> tuple[str, ...]:
    """Return the names of the members that can answer from these parts of a case, in their order."""
    return tuple(name for name, member in members.items() if member.can_answer(given))
