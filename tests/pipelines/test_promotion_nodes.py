"""The test of what is stored: served answers are the probabilities of training, of this study, without a leak."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.served_answers import Answered
from lesion_fusion.evaluation.judge import Judge
from lesion_fusion.evaluation.predictions import FAMILIES
from lesion_fusion.evaluation.promotion import Decision
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import Family, FittedModel, TrainedModel
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.domain import ServingRules
from lesion_fusion.pipelines.fusion.promotion_nodes import Nomination, make_servable, make_smoke_test, promote
from tests.models.toy import Cohort, answered, fitted_late, fitted_tabular, small_cohort

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
TAGS = {"cohort": "toy", "cohort_digest": "c", "folds_digest": "f"}
JUDGE = Judge(pd.DataFrame({"case_id": [], "patient_id": []}), study={**TAGS, "predictors": "metadata"})
RUN = {"model": "fusion.late", "run_id": "r", "cohort_digest": "c", "folds_digest": "f"}
CHAMPION = Decision("fusion", "late", "champion", 0.9, ("rule passed",))


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return small_cohort()


@pytest.fixture(scope="module")
def cases(cohort: Cohort) -> pd.DataFrame:
    return cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])


def nominated(model: FittedModel, run: dict[str, str] = RUN) -> tuple[list[Nomination], list[Family]]:
    """The nomination of a model, and the three families, of which one has that model."""
    nothing, none = pd.DataFrame(), Family({})
    entry = Classifier(classifier="naive_bayes", views=("record",))
    family = Family({model.full_name: TrainedModel(entry, nothing, nothing, nothing, model)})
    nomination = Nomination(replace(CHAMPION, family=model.family, model=model.name), run)
    return [nomination], [family if family_name == model.family else none for family_name in FAMILIES]


def smoke_test(cohort: Cohort, cases: pd.DataFrame, model: FittedModel, run: dict[str, str] = RUN):
    nominations, families = nominated(model, run)
    stored = {model.full_name: "models:/m"}
    return nominations, *make_smoke_test(nominations, stored, *families, cases, cohort.images, cohort.masks, STUDY)


def promoted(nominations, answers, expected, leaks) -> dict:
    stored = {one.model: "models:/m" for one in nominations}
    return promote(nominations, stored, answers, expected, leaks, JUDGE)[0]


def test_a_nominated_model_is_stored_into_its_run_with_the_source_of_its_outlines(cohort, cases):
    model, descriptors = fitted_late(cohort), cohort.inputs.image_descriptors
    nominations, families = nominated(model)
    settings = (ServingRules(), Outline(source="predicted"))
    (servable,) = make_servable(nominations, *families, cases, descriptors, *settings)
    assert servable.model is model
    assert servable.run_id == RUN["run_id"]
    assert servable.domain.outlines == "predicted"
    assert set(servable.input_example["outline_source"].dropna()) == {"predicted"}


@pytest.mark.parametrize("view", ["record", "image_descriptors"])
def test_networks_that_draw_travel_with_models_that_need_an_outline_alone(cohort, cases, view):
    nominations, families = nominated(fitted_tabular(cohort, (view,)))
    networks = Path("networks.keras")
    settings = (cohort.inputs.image_descriptors, ServingRules(), Outline(), networks)
    (servable,) = make_servable(nominations, *families, cases, *settings)
    assert servable.outline_networks == (networks if view == "image_descriptors" else None)


def test_a_model_that_is_served_as_it_was_trained_becomes_champion(cohort, cases):
    model = fitted_late(cohort)
    nominations, requests, expected, leaks = smoke_test(cohort, cases, model)
    (rows,) = requests.values()
    assert len(rows) == 4
    decision = promoted(nominations, {"models:/m": Answered(answered(cohort, model, rows))}, expected, leaks)
    assert (decision["alias"], decision["reasons"]) == ("champion", ["rule passed"])
    assert decision["registered_name"] == "lesion-fusion"


def test_another_number_a_failure_or_silence_keeps_it_a_challenger(cohort, cases):
    model = fitted_late(cohort)
    nominations, requests, expected, leaks = smoke_test(cohort, cases, model)
    right = answered(cohort, model, requests["models:/m"])
    for answers, why in (
        (Answered(right.assign(p_malignant=right["p_malignant"] + 1e-5)), "other probabilities than in training"),
        (Answered(fault="OSError: gone"), "fails: OSError: gone"),
        (
            Answered(right.assign(probability=None, abstained=True, reason="too little")),
            "does not answer a case of its own study",
        ),
    ):
        decision = promoted(nominations, {"models:/m": answers}, expected, leaks)
        assert decision["alias"] == "challenger"
        assert why in decision["reasons"][0]


def test_a_run_of_other_folds_or_a_forbidden_column_keeps_it_a_challenger(cohort, cases):
    model = fitted_tabular(cohort, ("record",))
    _, requests, expected, leaks = smoke_test(cohort, cases, model)
    answers = {"models:/m": Answered(answered(cohort, model, requests["models:/m"]))}
    old = [Nomination(CHAMPION, RUN | {"folds_digest": "other"})]
    decision = promoted(old, answers, expected, leaks)
    assert decision["reasons"] == ["its tracked run has another folds digest than this study"]
    leaking = replace(model, record_columns=(*model.record_columns, "diagnosis"))
    *_, found = smoke_test(cohort, cases, leaking)
    assert "diagnosis" in found["models:/m"][0]
    decision = promoted([Nomination(CHAMPION, RUN)], answers, expected, found)
    assert decision["alias"] == "challenger"


def test_a_request_has_no_missing_value_but_none(cohort, cases):
    _, requests, _, _ = smoke_test(cohort, cases, fitted_late(cohort))
    assert not any(value != value for value in requests["models:/m"].to_numpy().ravel())
    assert np.isfinite(requests["models:/m"]["age"].astype(float)).any()


def test_a_decision_says_what_the_model_needs_and_not_what_the_study_lets_models_read(cohort, cases):
    model = fitted_tabular(cohort, ("image_descriptors",))
    run = RUN | {"needs": ", ".join(model.efforts), "git_commit": "abc"}
    nominations, requests, expected, leaks = smoke_test(cohort, cases, model, run)
    answers = {"models:/m": Answered(answered(cohort, model, requests["models:/m"]))}
    decision = promoted(nominations, answers, expected, leaks)
    assert decision["needs"] == "image, mask"
    assert decision["git_commit"] == "abc"
    assert decision["study"] == TAGS
