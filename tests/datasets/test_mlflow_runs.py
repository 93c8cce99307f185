"""MLflow as datasets: one child run per model that serves the pipeline's numbers, and the registry's champions."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from tests.models.toy import Cohort, domain_of, fitted_late, request_of, small_cohort

from lesion_fusion.datasets.mlflow_runs import (
    CARD,
    ChampionsDataset,
    FamilyResultsDataset,
    PromotionDataset,
    RunRecord,
    ServableModel,
    StoredModelsDataset,
    register_site,
    shorten,
)
from lesion_fusion.datasets.plots import PlotsDataset
from lesion_fusion.datasets.served_answers import ServedAnswersDataset
from lesion_fusion.evaluation.promotion import Champion
from lesion_fusion.models.base import FittedModel
from lesion_fusion.models.site import Site
from lesion_fusion.serving.schema import IMAGE, MASK, describe_fields, example_request, request_fields
from lesion_fusion.serving.served_model import BadRequest

STUDY = {"cohort": "toy", "cohort_digest": "c0", "folds_digest": "f0"}


@dataclass(frozen=True)
class Tracked:
    """A parent run with one child, and what the child was made from."""

    cohort: Cohort
    record: RunRecord
    model: FittedModel
    parent: str
    folder: Path
    reference: dict[str, str]
    model_uri: str

    @property
    def run(self) -> mlflow.entities.Run:
        return mlflow.MlflowClient().get_run(self.reference["run_id"])

    def decision(self, name: str, alias: str) -> dict:
        return {
            "registered_name": name,
            "family": "fusion",
            "model": "late",
            "auroc": 0.875,
            "alias": alias,
            "reasons": ["its interval excludes 0.5", "its slope is 1"],
            "run_id": self.reference["run_id"],
            "model_uri": self.model_uri,
            "needs": "metadata, image",
            "git_commit": "abc123",
            "study": STUDY,
            "card": "# The card\n\nOf the late fusion.\n",
        }


METRICS = {"fusion.late": {"metrics": {"auroc": {"estimate": 0.875}}, "attention": []}}


def results_of(family: str, cohort: str, folder: Path) -> FamilyResultsDataset:
    """The dataset of a family whose metrics and plots are stored in `folder`."""
    plots, metrics = folder / "plots", folder / "metrics.json"
    metrics.write_text(json.dumps(METRICS))
    PlotsDataset(filepath=str(plots)).save({"fusion.late/roc_curve": b"a picture"})
    return FamilyResultsDataset(family=family, cohort=cohort, metrics=str(metrics), plots=str(plots))


def champions(*names: str) -> dict[str, Champion]:
    dataset = ChampionsDataset()
    dataset.save(list(names))
    return dataset.load()


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    folder = tmp_path_factory.mktemp("tracking")
    before, path = mlflow.get_tracking_uri(), list(sys.path)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    try:
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("toy", (folder / "artifacts").as_uri()))
        cohort = small_cohort()
        model = fitted_late(cohort)
        record = RunRecord(
            family=model.family,
            name=model.name,
            tags=STUDY,
            parameters={"rule": "weighted"},
            metrics={"auroc": 0.875, "auroc_low": 0.8},
            cases=cohort.inputs.cases.assign(label="benign"),
            note="AUROC 0.875",
            histories={"fold_auroc": {0: 0.8, 1: 0.9}},
            plots={"roc_curve.png": b"a picture"},
            tables={"predictions.csv": pd.DataFrame({"case_id": ["a"]})},
        )
        dataset = results_of("fusion", "toy", folder)
        assert not dataset.exists()
        stored = StoredModelsDataset()
        with pytest.raises(DatasetError, match="No model is stored yet"):
            stored.load()
        with mlflow.start_run() as parent:
            dataset.save([record])
            reference = dataset.load().runs["fusion.late"]
            example = example_request(cohort.inputs.cases, model)
            stored.save([ServableModel(model, domain_of(cohort, model), example, reference["run_id"])])
        yield Tracked(cohort, record, model, parent.info.run_id, folder, reference, stored.load()["fusion.late"])
    finally:
        mlflow.set_tracking_uri(before)
        # A loaded model brings its own copy of the package along.
        sys.path[:] = path


pytestmark = pytest.mark.slow


def test_the_child_run_shows_all_of_the_record(tracked: Tracked):
    data, client = tracked.run.data, mlflow.MlflowClient()
    assert data.tags["mlflow.parentRunId"] == tracked.parent
    assert data.tags["mlflow.runName"] == "fusion.late"
    assert {name: data.tags[name] for name in STUDY} == STUDY
    assert {"family": "fusion", "model": "late"}.items() <= data.tags.items()
    assert data.tags["mlflow.note.content"] == "AUROC 0.875"
    assert data.params == {"rule": "weighted"}
    assert {"auroc": 0.875, "auroc_low": 0.8}.items() <= data.metrics.items()
    history = client.get_metric_history(tracked.run.info.run_id, "fold_auroc")
    assert [(point.step, point.value) for point in history] == [(0, 0.8), (1, 0.9)]
    files = {item.path for item in client.list_artifacts(tracked.run.info.run_id)}
    assert {"roc_curve.png", "predictions.csv"} <= files


def test_a_model_is_stored_into_its_run_with_its_metrics_which_stay_one_point_of_the_run(tracked: Tracked):
    (output,) = tracked.run.outputs.model_outputs
    assert tracked.model_uri == f"models:/{output.model_id}"
    client = mlflow.MlflowClient()
    metrics = {one.key: one.value for one in client.get_logged_model(output.model_id).metrics}
    assert {"auroc": 0.875, "auroc_low": 0.8}.items() <= metrics.items()
    assert len(client.get_metric_history(tracked.run.info.run_id, "auroc")) == 1
    assert tracked.run.info.status == "FINISHED"


def test_a_later_session_finds_the_last_runs_beside_metrics_and_plots(tracked: Tracked):
    found = results_of("fusion", "toy", tracked.folder).load()
    assert found.runs == {"fusion.late": tracked.reference}
    assert found.metrics == METRICS
    assert found.plots == {"fusion.late/roc_curve": b"a picture"}
    for family, cohort in (("clinical", "toy"), ("fusion", "another")):
        assert results_of(family, cohort, tracked.folder).load().runs == {}


def test_a_run_that_did_not_end_well_is_not_found(tracked: Tracked):
    with (
        pytest.raises(ZeroDivisionError),
        mlflow.start_run(tags={"family": "fusion", "model": "late", "cohort": "cut"}),
    ):
        1 / 0  # noqa: B018 (what ends the run)
    assert results_of("fusion", "cut", tracked.folder).load().runs == {}


def test_a_run_reads_its_own_models_although_another_run_has_saved_later_ones(tracked: Tracked):
    record = replace(tracked.record, tags=STUDY | {"cohort": "side by side"})

    def results() -> FamilyResultsDataset:
        return results_of("fusion", "side by side", tracked.folder)

    saved = {}
    for _ in range(2):
        with mlflow.start_run() as parent:
            results().save([record])
            saved[parent.info.run_id] = results().load().runs
    first, second = saved.values()
    assert first != second
    for own, runs in saved.items():
        with mlflow.start_run(own):
            assert results().load().runs == runs
    assert results().load().runs == second


def test_the_logged_model_gives_the_pipelines_probabilities_and_holds_no_pickle(tracked: Tracked):
    cohort, cases = tracked.cohort, tracked.cohort.inputs.cases
    request = cases[list(tracked.model.record_columns)].assign(
        **{
            IMAGE: [base64.b64encode(cohort.images[name]()).decode() for name in cases["image_file"]],
            MASK: [base64.b64encode(cohort.masks[name]()).decode() for name in cases["tumor_mask_file"]],
        }
    )
    served = mlflow.pyfunc.load_model(tracked.model_uri)
    answers = served.predict(request)
    assert served.metadata.get_output_schema().input_names() == list(answers)
    expected = tracked.model.probabilities(cohort.inputs)
    np.testing.assert_allclose(answers["probability"].astype(float), expected[:, -1], atol=1e-6)
    assert served.metadata.metadata["fields"] == describe_fields(tracked.model)
    told = mlflow.models.get_model_info(tracked.model_uri).metadata
    assert told["record_columns"] == list(tracked.model.record_columns)
    assert served.metadata.get_input_schema().input_names() == request_fields(tracked.model)
    folder = Path(mlflow.artifacts.download_artifacts(tracked.model_uri))
    assert not [path for path in folder.rglob("*") if path.suffix in {".pkl", ".pickle", ".joblib"}]
    with pytest.raises(Exception, match=r"Row 0, field age: 212 lies outside") as error:
        served.predict(request.iloc[:1].assign(age=212.0))
    assert type(error.value).__name__ == BadRequest.__name__


def test_the_served_interface_answers_or_says_what_is_wrong(tracked: Tracked):
    served, request = ServedAnswersDataset(), request_of(tracked.cohort).iloc[:2]
    with pytest.raises(DatasetError):
        served.load()
    right, wrong = tracked.model_uri, "models:/m-gone"
    served.save({right: request, wrong: request})
    answers = served.load()
    assert answers[right].fault == ""
    expected = tracked.model.probabilities(tracked.cohort.inputs)[:2, 1]
    np.testing.assert_allclose(answers[right].answers["probability"].astype(float), expected, atol=1e-6)
    assert answers[wrong].fault


def test_the_registry_gets_a_version_its_alias_and_its_reasons_and_champions_come_back(tracked: Tracked):
    registry, client = PromotionDataset(filepath=str(tracked.folder / "promotion.json")), mlflow.MlflowClient()
    assert champions("lesion-fusion", "lesion-imaging") == {}
    registry.save([tracked.decision("lesion-fusion", "champion"), tracked.decision("lesion-imaging", "challenger")])
    assert champions("lesion-fusion", "lesion-imaging") == {"lesion-fusion": Champion("toy", "c0", "f0", 0.875)}
    assert champions("lesion-imaging") == {}
    registry.save([tracked.decision("lesion-fusion", "challenger")])
    assert registry.load() == [tracked.decision("lesion-fusion", "challenger")]
    assert int(client.get_model_version_by_alias("lesion-fusion", "champion").version) == 1
    challenger = client.get_model_version_by_alias("lesion-fusion", "challenger")
    assert int(challenger.version) == 2
    assert challenger.tags["reasons"] == "its interval excludes 0.5; its slope is 1"
    assert challenger.tags["model"] == "fusion.late"
    assert {"needs": "metadata, image", "git_commit": "abc123", **STUDY}.items() <= challenger.tags.items()


def test_a_version_is_described_by_its_card_and_leads_to_run_plots_and_report(tracked: Tracked):
    registry, client = PromotionDataset(filepath=str(tracked.folder / "promotion.json")), mlflow.MlflowClient()
    decision = tracked.decision("lesion-carded", "challenger")
    with mlflow.start_run() as active:
        registry.save([decision])
    version = client.get_model_version_by_alias("lesion-carded", "challenger")
    child, parent = tracked.reference["run_id"], active.info.run_id
    assert version.run_id == child
    assert version.description.startswith(decision["card"])
    for run in (child, parent):
        assert f"](#/experiments/{tracked.run.info.experiment_id}/runs/{run}" in version.description
    assert version.tags["plots"] == f"runs:/{child}"
    assert version.tags["report"] == f"runs:/{parent}/report.html#model-fusion.late"
    assert mlflow.artifacts.load_text(f"runs:/{child}/model_card.md") == decision["card"]
    assert client.get_registered_model("lesion-carded").tags["family"] == "fusion"


@pytest.mark.parametrize("lines", [1, 40, 400])
def test_a_description_is_never_longer_than_the_registry_takes(lines: int):
    card = "\n".join(f"Line {number} of a card." for number in range(lines))
    text = shorten(card, "[Run](#/)", longest=600)
    assert len(text) <= 600
    assert text.endswith("[Run](#/)")
    assert (card in text) == (lines == 1 or len(card) < 500)
    assert (CARD in text) != (card in text)


def test_a_registered_model_says_what_it_is_unless_somebody_has_said_so(tracked: Tracked):
    registry, client = PromotionDataset(filepath=str(tracked.folder / "promotion.json")), mlflow.MlflowClient()
    registry.save([tracked.decision("lesion-described", "challenger")])
    assert "not a medical device" in client.get_registered_model("lesion-described").description
    client.update_registered_model("lesion-described", "Ours.")
    registry.save([tracked.decision("lesion-described", "challenger")])
    assert client.get_registered_model("lesion-described").description == "Ours."


def test_a_champion_without_its_study_is_left_out(tracked: Tracked):
    nameless = tracked.decision("lesion-clinical", "champion") | {"study": {}}
    PromotionDataset(filepath=str(tracked.folder / "promotion.json")).save([nameless])
    assert champions("lesion-clinical") == {}


def test_a_child_run_has_the_commit_of_its_parent(tracked: Tracked):
    dataset = results_of("fusion", "toy", tracked.folder)
    with mlflow.start_run():
        mlflow.set_tag("git_commit", "abc123")
        dataset.save([replace(tracked.record, histories={}, plots={}, tables={})])
    run = mlflow.MlflowClient().get_run(dataset.load().runs["fusion.late"]["run_id"])
    assert run.data.tags["git_commit"] == "abc123"


def test_a_model_is_calibrated_for_a_site_as_a_version_of_its_own(tracked):
    address, site = tracked.model_uri, Site.of_share("Clinic, North 1", 0.1, 0.4)
    version = register_site(address, "lesion-site", site)
    rows = request_of(tracked.cohort).iloc[:3]
    rows = rows[rows.columns.intersection(request_fields(tracked.model))]
    plain, calibrated = (
        mlflow.pyfunc.load_model(one).predict(rows) for one in (address, "models:/lesion-site@site-clinic-north-1")
    )
    assert set(calibrated["site"]) == {site.origin}
    assert set(calibrated["version"]) == {f"lesion-site {version}"}
    assert (calibrated["probability"].astype(float) < plain["probability"].astype(float)).all()
    assert mlflow.MlflowClient().get_model_version("lesion-site", version).tags["site"] == site.origin
