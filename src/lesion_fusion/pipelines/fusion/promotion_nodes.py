"""Nodes of promotion: each family puts a model forward, which is stored and tested, and the registry is told."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesion_fusion.cohort.schema import ForbiddenPredictorError, assert_no_leak
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.mlflow_runs import FamilyResults, ServableModel
from lesion_fusion.datasets.served_answers import Answered
from lesion_fusion.errors import UserError
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.evaluation.promotion import Champion, Decision, PromotionRule, after_tests, decide
from lesion_fusion.imaging.case_files import Files, Masks, image_file, tumor_mask_files
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import CaseInputs, Family, FittedModel, ModelName, Need
from lesion_fusion.models.domain import Domain, ServingRules
from lesion_fusion.notation import listing
from lesion_fusion.pipelines.fusion.nodes import all_models, lost_candidates
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors, make_lesion_images
from lesion_fusion.serving.schema import CASE, IMAGE, MASK, SOURCE, example_request

REGISTERED_NAME = "lesion-{family}"
SMOKE_CASES_PER_CLASS = 2
SAME_PROBABILITY = 1e-6


class UntrackedModelError(UserError):
    """A model whose run MLflow does not have."""


@dataclass(frozen=True)
class Nomination:
    """A family's decision before the stored model is tested, and the tracked run of that model."""

    decision: Decision
    run: Mapping[str, str]

    @property
    def model(self) -> str:
        """`<family>.<model>`."""
        return f"{self.decision.family}.{self.decision.model}"


def name_registered_models(*families: Family) -> list[str]:
    """Return the registered name of each family that has models."""
    present = dict.fromkeys(ModelName.parse(name).family for family in families for name in family.models)
    return [REGISTERED_NAME.format(family=name) for name in present]


def nominate(
    board: pd.DataFrame,
    candidates: pd.DataFrame,
    champions: Mapping[str, Champion],
    judge: Judge,
    rule: PromotionRule,
    evaluation: Evaluation,
    *results: FamilyResults,
) -> list[Nomination]:
    """Return which model each family puts forward, by the metrics on the leaderboard."""
    runs = {name: run for family in results for name, run in family.runs.items()}
    of_family = {name.removeprefix("lesion-"): champion for name, champion in champions.items()}
    needs = {name: [need for need in run.get("needs", "").split(", ") if need] for name, run in runs.items()}
    decisions = decide(board, of_family, judge.study, rule, needs, evaluation.baseline, lost_candidates(candidates))
    names = [f"{decision.family}.{decision.model}" for decision in decisions]
    untracked = [name for name in names if name not in runs]
    if untracked:
        raise UntrackedModelError(f"No run of {listing(untracked)} on this cohort is in MLflow: run without --tags.")
    return [Nomination(decision, runs[name]) for name, decision in zip(names, decisions, strict=True)]


def make_servable(
    nominations: Sequence[Nomination],
    clinical: Family,
    imaging: Family,
    fusion: Family,
    cases: pd.DataFrame,
    image_descriptors: pd.DataFrame,
    serving: ServingRules,
    outline: Outline,
    outline_networks: Path | None = None,
) -> list[ServableModel]:
    """Return the nominated models as they are served: of the others MLflow has the results alone.

    `outline_networks` is the file of the networks that draw for those which need an outline.
    """
    models, source = all_models(clinical, imaging, fusion), outline.source
    found = []
    for nomination in nominations:
        trained = models[nomination.model]
        model = trained.model
        domain = Domain.of(model, cases, image_descriptors, serving, trained, source)
        example = example_request(cases, model, source)
        drawing = outline_networks if Need.MASK in model.needs else None
        found.append(ServableModel(model, domain, example, nomination.run["run_id"], drawing))
    return found


def make_smoke_test(
    nominations: Sequence[Nomination],
    stored: Mapping[str, str],
    clinical: Family,
    imaging: Family,
    fusion: Family,
    cases: pd.DataFrame,
    raw_images: Files,
    raw_masks: Masks,
    study: Study,
) -> tuple[dict[str, pd.DataFrame], dict[str, np.ndarray], dict[str, list[str]]]:
    """Return, by the URI of each stored model: a request, the probabilities (n, k) it must give, leaks found in it.

    The request holds a few cases of each class as raw record, image and outline. The probabilities are those of the
    model as training left it, from what preprocessing makes of the same cases.
    """
    outlined = cases[cases["tumor_mask_file"].notna()]
    few = outlined.groupby("label", sort=True).head(SMOKE_CASES_PER_CLASS).reset_index(drop=True)
    models = all_models(clinical, imaging, fusion)
    requests, expected, leaks = {}, {}, {}
    for nomination in nominations:
        uri, model = stored[nomination.model], models[nomination.model].model
        requests[uri] = _request(few, model, raw_images, raw_masks)
        expected[uri] = model.probabilities(_prepared(few, model, raw_images, raw_masks))
        leaks[uri] = _leaks(model, study.protocol)
    return requests, expected, leaks


def promote(
    nominations: Sequence[Nomination],
    stored: Mapping[str, str],
    answers: Mapping[str, Answered],
    expected: Mapping[str, np.ndarray],
    leaks: Mapping[str, list[str]],
    judge: Judge,
) -> list[dict[str, Any]]:
    """Return which model of each family is registered, as what, and why."""
    decisions = []
    for nomination in nominations:
        run, uri = nomination.run, stored[nomination.model]
        faults = [*leaks[uri], *_foreign(run, judge.study), *_smoke_faults(answers[uri], expected[uri])]
        decision = after_tests(nomination.decision, faults)
        reasons = {
            "reasons": list(decision.reasons),
            "passed_over": {model: list(why) for model, why in decision.passed_over.items()},
        }
        tracked = {"run_id": run["run_id"], "model_uri": uri, "study": judge.model_tags}
        tracked |= {"needs": run.get("needs", ""), "git_commit": run.get("git_commit", "")}
        name = REGISTERED_NAME.format(family=decision.family)
        decisions.append({"registered_name": name, **asdict(decision), **reasons, **tracked})
    return decisions


def _request(cases: pd.DataFrame, model: FittedModel, raw_images: Files, raw_masks: Masks) -> pd.DataFrame:
    rows = cases[[CASE, *model.record_columns]].astype(object)
    if Need.IMAGE in model.needs:
        rows[IMAGE] = [base64.b64encode(image_file(name, raw_images)).decode() for name in cases["image_file"]]
        rows[MASK] = [base64.b64encode(mask).decode() for mask in tumor_mask_files(cases, raw_masks)]
        sources = raw_masks.set_index("case_id")["source"] if isinstance(raw_masks, pd.DataFrame) else None
        rows[SOURCE] = "drawn" if sources is None else sources.reindex(cases[CASE]).tolist()
    return rows.where(rows.notna(), None)


def _prepared(cases: pd.DataFrame, model: FittedModel, raw_images: Files, raw_masks: Masks) -> CaseInputs:
    descriptors = make_image_descriptors(cases, raw_images, raw_masks) if model.uses_descriptors else None
    images = {
        image_input: np.stack(list(make_lesion_images(cases, raw_images, raw_masks, image_input).rows))
        for image_input in model.image_inputs
    }
    return CaseInputs(cases, descriptors, images)


def _leaks(model: FittedModel, protocol: str) -> list[str]:
    try:
        assert_no_leak(model.record_columns, protocol)
    except ForbiddenPredictorError as error:
        return [str(error).rstrip(".")]
    return []


def _foreign(run: Mapping[str, str], study: Mapping[str, str]) -> list[str]:
    """Return a fault where the tracked run is of other data or folds than this study, by their digests."""
    return [
        f"its tracked run has another {name.replace('_', ' ')} than this study"
        for name in ("cohort_digest", "folds_digest")
        if run.get(name) != study[name]
    ]


def _smoke_faults(answered: Answered, expected: np.ndarray) -> list[str]:
    """Return what is wrong with the served answers; nothing where they are the probabilities that training gives."""
    if answered.fault:
        return [f"asked through the served interface it fails: {answered.fault}"]
    table = answered.answers
    withheld = table["probability"].isna()
    if withheld.any():
        return [f"served, it does not answer a case of its own study: {table.loc[withheld, 'reason'].iloc[0]}"]
    served = table[[name for name in table if str(name).startswith("p_")]].to_numpy(dtype="float64")
    apart = float(np.abs(served - expected).max())
    if not apart <= SAME_PROBABILITY:
        return [f"served, it gives other probabilities than in training, by up to {apart:.2g}"]
    return []
