"""The whole reproduction, node after node, on a small synthetic cohort."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.readers import READERS
from lesion_fusion.cohort.record import parse_record
from lesion_fusion.cohort.study import Study
from lesion_fusion.cohort.synthetic import parse_cohort, published_table, render_images, render_masks
from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.evaluation.predictions import validate_predictions
from lesion_fusion.imaging.case_files import read_masks
from lesion_fusion.imaging.outlines import encoded, outlines_table
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.pipelines.ingestion.audit_nodes import audit_cohort
from lesion_fusion.pipelines.ingestion.nodes import Ingestion, build_cases
from lesion_fusion.pipelines.paper_reproduction.pipeline import create_pipeline
from lesion_fusion.published_study.evaluation import of_cell
from lesion_fusion.published_study.network import frozen_features
from lesion_fusion.published_study.protocol import DRAWN_OUTLINES, Protocol, Splitting, make_splits
from lesion_fusion.published_study.rows import balanced_rows
from lesion_fusion.reporting.parameters import CohortDescription, ReportParameters
from lesion_fusion.tabular.parameters import Tuning
from tests.published_study.toy import FOREST, toy_article, toy_parameters

FEW_TREES = FOREST | {"grid": {"n_estimators": [5]}}

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)
EVALUATION = Evaluation(resamples=200, baseline="clinical.random_forest")
TUNING = Tuning(inner_folds=2)
COHORT = parse_cohort({"cases": 40, "seed": 1, "normal_cases": 4})
PARAMETERS = toy_parameters(
    image_size=32,
    clinical={"random_forest": FEW_TREES},
    splitting={"folds": 2, "random_splits": 2},
    imaging={
        "descriptors": {"kind": "classifier", **FEW_TREES, "views": ["image_descriptors"]},
        "net": {
            "kind": "network",
            "network": {"backbone": "small_cnn", "optimizer": "adam", "epochs": 2, "augmentation": 0.0},
        },
    },
    fusion={
        "pixels": {
            "kind": "classifier",
            **FEW_TREES,
            "views": ["record", "pixels"],
            "image_input": "masked_full",
            "pixel_edge": 4,
            "pixel_components": 2,
        },
        "intermediate": {
            "kind": "classifier",
            "classifier": "logistic_regression",
            "views": ["record", "embeddings"],
            "network": "imaging.net",
            "embedding_components": 2,
        },
        "late": {"kind": "late", "members": ["clinical.random_forest", "imaging.descriptors"], "rule": "weighted"},
    },
    networks={
        "backbones": ["small_cnn"],
        "optimizers": ["adam", "sgd"],
        "network": {"regime": "frozen", "weights": "random", "epochs": 2},
    },
    compared=["clinical.random_forest", "imaging.descriptors"],
)
PREDICTED = Outline(source="predicted")


EXHIBITS = [
    {"number": "figure 1", "shows": "classes", "kind": "classes"},
    {"number": "figure 2", "shows": "fusion", "kind": "structure", "family": "fusion"},
    {"number": "figure 3", "shows": "curves", "kind": "roc_curves", "models": ["fusion"]},
    {"number": "figure 4", "shows": "networks", "kind": "roc_curves", "models": ["imaging"], "best_optimizers": True},
    {"number": "figure 5", "shows": "bars", "kind": "bars", "models": ["imaging"], "metric": "macro_f1"},
    {"number": "figure 6", "shows": "a model of another run", "kind": "confusion_matrix", "models": ["fusion.other"]},
    {"number": "table 2", "shows": "a matrix", "kind": "confusion_matrix", "models": ["clinical.random_forest"]},
]


class Kept(MemoryDataset):
    """A dataset that stays after its last reader."""

    def _release(self) -> None:
        pass


@pytest.fixture(scope="module")
def reproduced() -> dict:
    images, masks = render_images(COHORT), render_masks(COHORT)
    cases, excluded, digest = build_cases(
        published_table(COHORT), images, masks, Ingestion(reader="breast_lesions_usg")
    )
    lesions = cases[cases["tumor_mask_file"].notna()]
    drawn = [encoded(tumor) for tumor, _ in read_masks(lesions, masks) if tumor is not None]
    given = {
        "cases": cases,
        "outlines": outlines_table(
            [
                (*row, 1.0, 1.0, mask)
                for row, mask in zip(product(lesions["case_id"], ["predicted"]), drawn, strict=True)
            ]
        ),
        "raw_images": images,
        "raw_masks": masks,
        "cohort_audit": audit_cohort(cases, excluded, digest, images, masks, CohortAudit(folds=2, repeats=1), STUDY),
        "params:paper_reproduction": PARAMETERS,
        "params:article": toy_article(exhibits=EXHIBITS),
        "params:tuning": TUNING,
        "params:study": STUDY,
        "params:evaluation": EVALUATION,
        "params:report": ReportParameters(
            cohort=CohortDescription(title="Toy", patients=False, description=""), command="kedro run"
        ),
    }
    catalog = DataCatalog({name: MemoryDataset(data, copy_mode="assign") for name, data in given.items()})
    made = {name: Kept(copy_mode="assign") for name in create_pipeline(PARAMETERS, PREDICTED).all_outputs()}
    for name, dataset in made.items():
        catalog[name] = dataset
    SequentialRunner().run(create_pipeline(PARAMETERS, PREDICTED), catalog)
    return {name: dataset.load() for name, dataset in made.items()}


@pytest.mark.slow
def test_every_model_has_predictions_that_keep_the_contract_in_each_of_its_cells(reproduced: dict):
    for name in PARAMETERS.entries:
        for cell in ("paper", "leak-free", "paper, labels permuted"):
            table = validate_predictions(of_cell(reproduced["paper_predictions"], name, cell))
            assert len(table) > 10, (name, cell)


@pytest.mark.slow
def test_drawn_outlines_are_priced_and_cost_nothing_where_networks_draw_the_same(reproduced: dict):
    shortcuts = reproduced["paper_shortcuts"]
    priced = shortcuts[shortcuts["shortcut"] == DRAWN_OUTLINES]
    assert set(priced["model"]) == {"descriptors"}
    assert (priced["adds"].dropna() == 0).all()
    assert "Drawn outlines" in reproduced["paper_reproduction_report"]


@pytest.mark.slow
def test_tables_and_metrics_cover_all_models(reproduced: dict):
    comparison = reproduced["paper_comparison"]
    assert set(comparison["family"] + "." + comparison["model"]) == set(PARAMETERS.entries)
    accuracies = comparison[comparison["metric"] == "accuracy"]
    assert accuracies[["reproduced", "leak_free", "no_signal"]].notna().all(axis=None)
    metrics = reproduced["paper_metrics"]
    named = [f"{name}.{column}" for name in PARAMETERS.entries for column in ("reproduced", "leak_free", "no_signal")]
    assert {f"{name}.accuracy" for name in named} <= set(metrics)
    named += [f"{name}.as_fused" for name in PARAMETERS.fused]
    assert set(metrics) <= {f"{name}.{metric}" for name in named for metric in ("accuracy", "auroc")}


@pytest.mark.slow
def test_the_report_says_what_the_tables_hold_and_that_no_published_figure_is_at_hand(reproduced: dict):
    page = reproduced["paper_reproduction_report"]
    assert "No published figure stands beside them" in page
    assert not re.search('id="(published|contradictions)"', page)
    assert ">Published</th>" not in page
    numbers = {float(value) for value in re.findall(r'<data value="([^"]+)">', page)}
    comparison = reproduced["paper_comparison"]
    shown = comparison[["reproduced", "reproduced_low", "leak_free", "no_signal", "no_signal_high"]].to_numpy().ravel()
    assert set(shown[np.isfinite(shown)]) <= numbers


def test_the_pipeline_asks_for_nothing_but_the_cohort_its_audit_and_parameters():
    free = {name for name in create_pipeline(PARAMETERS, Outline()).inputs() if not name.startswith("params:")}
    assert free == {"cases", "raw_images", "raw_masks", "cohort_audit"}


@pytest.mark.real_data
@pytest.mark.skipif("LESION_FUSION_DATA" not in os.environ, reason="LESION_FUSION_DATA is not set")
def test_the_collection_makes_462_rows_and_a_test_set_of_93():
    (table,) = (Path(os.environ["LESION_FUSION_DATA"]) / "breast-lesions-usg").glob("*.xlsx")
    record, _ = parse_record(READERS["breast_lesions_usg"](pd.read_excel(table, dtype=str)))
    cases = record.assign(image_width=1.0, image_height=1.0)
    rows = balanced_rows(cases, 0.02, 2025)
    assert rows["label"].value_counts().to_dict() == {"benign": 154, "malignant": 154, "normal": 154}
    (split,) = make_splits(rows, Protocol(), Splitting(), 2025)
    assert (len(split.train), len(split.test)) == (369, 93)


@pytest.mark.slow
def test_the_gallery_has_every_exhibit_and_says_which_has_no_counterpart(reproduced: dict):
    page = reproduced["paper_gallery"]
    assert all(f'id="{one["number"].replace(" ", "-")}"' in page for one in EXHIBITS)
    assert "Of 7 tables and figures of the article, 6 have a counterpart here." in page
    assert "Without a counterpart in this run: figure 6. The article has no table 1." in page
    drawn = set(reproduced["paper_exhibits"])
    assert {"figure 2/all", "figure 3/reproduced", "figure 3/leak_free", "table 2/leak_free"} <= drawn


@pytest.mark.slow
def test_fused_models_and_what_they_read_are_judged_on_lesions_alone_too(reproduced: dict):
    comparison = reproduced["paper_comparison"]
    accuracies = comparison[comparison["metric"] == "accuracy"]
    as_fused = accuracies.set_index(accuracies["family"] + "." + accuracies["model"])["as_fused"]
    assert set(as_fused.dropna().index) == set(PARAMETERS.fused)
    table = of_cell(reproduced["paper_predictions"], "fusion.late", PARAMETERS.fusion_protocol.name)
    assert set(table["label"]) == {"benign", "malignant"}
    assert not table["case_id"].str.contains("+", regex=False).any()


def test_a_frozen_backbone_sees_each_picture_once(monkeypatch: pytest.MonkeyPatch):
    seen = []

    def features_of(backbone: str, weights: str, images: np.ndarray) -> np.ndarray:  # noqa: ARG001
        seen.append(len(images))
        return images.mean(axis=(1, 2))

    monkeypatch.setattr("lesion_fusion.imaging.regimes.features_of", features_of)
    images = np.zeros((5, 8, 8, 2), dtype="uint8")
    images[1, ..., 0] = 7
    images[2, ..., 1] = 7
    found = frozen_features(images, backbone="small_cnn", weights="random", edge=None)
    assert seen == [2]
    assert found.shape == (5, 2, 1)
    np.testing.assert_array_equal(found[..., 0] == 7, [[0, 0], [1, 0], [0, 1], [0, 0], [0, 0]])
