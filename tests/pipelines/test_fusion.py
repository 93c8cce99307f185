"""The last steps of fusion take their models from all families: ablations are compared and not ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from lesion_fusion.cohort.schema import ForbiddenPredictorError
from lesion_fusion.evaluation.comparisons import PlannedComparisons
from lesion_fusion.evaluation.judge import Evaluation, Judge
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.models.base import Family, ModelParameters, TrainedModel
from lesion_fusion.models.classifier import Classifier
from lesion_fusion.models.late import Late
from lesion_fusion.pipelines.fusion.nodes import (
    build_leaderboard,
    compare_as_planned,
    evaluate_candidates,
    lost_candidates,
)
from lesion_fusion.pipelines.reporting.table_nodes import evaluate_missing_modality
from tests.evaluation.tables import binary_predictions, judge_of, simulated
from tests.models.toy import fitted_tabular, small_cohort

CLINICAL = Classifier(classifier="naive_bayes", views=("record",))
ABLATION = Classifier(classifier="naive_bayes", views=("record",), ablation=True, must_beat="clinical.plain")
IMAGING = Classifier(classifier="naive_bayes", views=("image_descriptors",), must_beat="clinical.plain")
LATE = Late(members=("clinical.plain", "imaging.descriptors"))


def trained(full: str, entry: ModelParameters, signal: float, reduced: tuple[str, ...] = ()) -> TrainedModel:
    family, _, name = full.partition(".")
    predictions = binary_predictions(*simulated(80, signal, seed=1), family=family, model=name)
    parts = [predictions.assign(without=part) for part in reduced]
    nothing: Any = None
    return TrainedModel(
        entry,
        predictions,
        predictions.iloc[:0],
        pd.DataFrame(),
        nothing,
        reduced_predictions=pd.concat(parts) if parts else None,
    )


@pytest.fixture(scope="module")
def families() -> tuple[Family, Family, Family]:
    return (
        Family(
            {
                "clinical.plain": trained("clinical.plain", CLINICAL, 1.0),
                "clinical.less": trained("clinical.less", ABLATION, 0.5),
            }
        ),
        Family({"imaging.descriptors": trained("imaging.descriptors", IMAGING, 1.2)}),
        Family({"fusion.late": trained("fusion.late", LATE, 1.5, reduced=("image",))}),
    )


@pytest.fixture(scope="module")
def judge(families: tuple[Family, Family, Family]) -> Judge:
    return judge_of(families[0].predictions, 200)


def test_candidates_are_the_models_on_the_leaderboard_that_must_beat_another(families, judge: Judge):
    candidates = evaluate_candidates(*families, judge)
    assert list(candidates["model"]) == ["imaging.descriptors"]
    assert list(candidates["reference"]) == ["clinical.plain"]


def test_the_leaderboard_has_no_ablation_and_says_which_candidates_are_not_kept(families, judge: Judge):
    candidates = evaluate_candidates(*families, judge).assign(kept=False)
    assert list(lost_candidates(candidates)) == ["imaging.descriptors"]
    board = build_leaderboard(*families, candidates, judge, Evaluation(baseline="clinical.plain"))
    assert set(board["family"] + "." + board["model"]) == {"clinical.plain", "imaging.descriptors", "fusion.late"}
    assert board.set_index("model")["kept"].to_dict() == {"plain": True, "descriptors": False, "late": True}


def test_a_planned_comparison_may_name_an_ablation_and_another_family(families, judge: Judge):
    row = {"what": "less", "model": "clinical.less", "reference": "fusion.late"}
    planned = PlannedComparisons.model_validate({"groups": {"one": {"title": "?", "rows": [row]}}})
    fitted = fitted_tabular(small_cohort(), ("record",))
    read = [Family({name: replace(one, model=fitted) for name, one in family.models.items()}) for family in families]
    table = compare_as_planned(*read, judge, planned, Outline())
    assert table[["model", "reference"]].to_numpy().tolist() == [["clinical.less", "fusion.late"]]
    assert table["difference"].notna().all()


@pytest.mark.parametrize(("views", "refused"), [(("record",), False), (("record", "image_descriptors"), True)])
def test_a_claim_of_no_reader_is_checked_on_the_fitted_models_too(families, judge: Judge, views, refused: bool):
    row = {"what": "less", "model": "clinical.less", "without_reader": True}
    planned = PlannedComparisons.model_validate({"groups": {"one": {"title": "?", "rows": [row]}}})
    clinical, *others = families
    fitted = replace(fitted_tabular(small_cohort(), views), record_columns=("age",))
    claimed = Family({"clinical.less": replace(clinical.models["clinical.less"], model=fitted)})
    if not refused:
        assert len(compare_as_planned(claimed, *others, judge, planned, Outline())) == 1
        return
    with pytest.raises(ForbiddenPredictorError, match=r"clinical\.less reads a radiologist's outline \(.*by hand"):
        compare_as_planned(claimed, *others, judge, planned, Outline())


def test_under_predicted_outlines_a_model_of_the_image_needs_no_reader(families, judge: Judge):
    row = {"what": "less", "model": "clinical.less"}
    clinical, *others = families
    fitted = replace(fitted_tabular(small_cohort(), ("record", "image_descriptors")), record_columns=("age",))
    changed = Family({"clinical.less": replace(clinical.models["clinical.less"], model=fitted)})
    for claimed, source, needs_none in ((False, "drawn", False), (False, "predicted", True), (True, "predicted", True)):
        rows = [row | {"without_reader": claimed}]
        planned = PlannedComparisons.model_validate({"groups": {"one": {"title": "?", "rows": rows}}})
        table = compare_as_planned(changed, *others, judge, planned, Outline.model_validate({"source": source}))
        assert table["without_reader"].tolist() == [needs_none]


def test_what_a_fusion_achieves_without_a_part_is_judged_where_it_answers(families, judge: Judge):
    table = evaluate_missing_modality(families[2], judge).set_index("without")
    assert set(table["model"]) == {"fusion.late"}
    assert table["answers"].to_dict() == {"image": True, "record": False}
