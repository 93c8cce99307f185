"""Combinations: one entry for each backbone and optimizer, made from one group, and a table with a row for each."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from kedro.validation.type_extractor import TypeExtractor
from matplotlib.figure import Figure

from lesion_fusion.models.base import Family, TrainedModel
from lesion_fusion.models.combinations import FAMILY, NetworkComparison
from lesion_fusion.models.network import Network
from lesion_fusion.parameters import InvalidParameterError, validated
from lesion_fusion.pipelines.network_comparison.nodes import COLUMNS, draw_combinations, tabulate_combinations
from lesion_fusion.pipelines.network_comparison.pipeline import create_pipeline
from lesion_fusion.tabular.out_of_fold import REFIT

GROUP: dict[str, Any] = {
    "backbones": ["DenseNet121", "Xception"],
    "optimizers": ["adam", "sgd"],
    "image_input": "crop",
    "network": {"regime": "frozen", "weights": "imagenet", "epochs": 7},
}
LEFT_OUT = {**GROUP, "left_out": {"xception_sgd": "diverged at 1e-2"}}


def models(group: dict[str, Any]) -> dict[str, Network]:
    return validated(NetworkComparison, group, "network_comparison").entries


def test_every_combination_is_a_network_with_what_all_share():
    made = models(GROUP)
    assert list(made) == ["densenet121_adam", "densenet121_sgd", "xception_adam", "xception_sgd"]
    assert {(model.network.backbone, model.network.optimizer) for model in made.values()} == {
        (backbone, optimizer) for backbone in GROUP["backbones"] for optimizer in GROUP["optimizers"]
    }
    assert {model.network.epochs for model in made.values()} == {7}
    assert {model.network.initial_learning_rate for model in made.values()} == {1e-4, 1e-2}


def test_a_change_of_the_list_leaves_the_entries_of_the_others_as_they_are():
    longer = models({**GROUP, "backbones": ["MobileNetV2", *GROUP["backbones"]]})
    for name, entry in models(GROUP).items():
        assert longer[name] == entry
    assert set(models(GROUP)) - set(models(LEFT_OUT)) == {"xception_sgd"}


def test_without_combinations_there_is_nothing_to_compare():
    assert not create_pipeline({}).nodes


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"backbone": ["Xception"]}, r"network_comparison\.backbone: .*Did you mean backbones"),
        ({"backbones": []}, r"network_comparison\.backbones: .*at least 1"),
        ({"backbones": ["Xseption"]}, r"network_comparison\.backbones: Unknown backbone 'Xseption'.*Xception"),
        ({"optimizers": ["adamw"]}, r"optimizers\.0: .*'adam'.*not 'adamw'"),
        ({"network": {"epoch": 3}}, r"network_comparison\.network\.epoch: .*Did you mean epochs"),
        ({"network": {**GROUP["network"], "optimizer": "adam"}}, r"optimizer can't be shared"),
        ({"left_out": {"xception_sdg": "diverged"}}, r"xception_sdg; the combinations are .*xception_sgd"),
        ({"optimizers": ["sgd"], "backbones": ["Xception"], "left_out": {"xception_sgd": ""}}, r"names all"),
    ],
)
def test_a_comparison_that_can_not_be_is_refused_with_what_can(change: dict[str, Any], words: str):
    with pytest.raises(InvalidParameterError, match=words):
        models(GROUP | change)


def test_optimizers_of_a_backbone_share_its_features():
    pipeline = create_pipeline(models(GROUP))
    computed = [name for name in pipeline.all_outputs() if name.startswith("backbone_features.")]
    assert sorted(computed) == [f"backbone_features.{name}_imagenet_crop" for name in GROUP["backbones"]]


def log() -> pd.DataFrame:
    losses = {(0, 0): [0.7, 0.5, 0.6], (0, 1): [0.7, 0.6, 0.5]}
    rows = [
        {"repeat": repeat, "fold": fold, "epoch": epoch + 1, "val_loss": loss}
        for (repeat, fold), values in losses.items()
        for epoch, loss in enumerate(values)
    ]
    return pd.DataFrame([*rows, {"repeat": REFIT, "fold": REFIT, "epoch": 9, "val_loss": None}])


def trained(entry: Network) -> TrainedModel:
    nothing: Any = None
    return TrainedModel(entry, pd.DataFrame(), pd.DataFrame(), log(), nothing)


def test_table_has_a_row_a_combination_and_says_why_one_is_missing():
    comparison = NetworkComparison.model_validate(LEFT_OUT)
    names = [f"{FAMILY}.{name}" for name in comparison.entries]
    family = Family({name: trained(comparison.entries[name.partition(".")[2]]) for name in names})
    aurocs = [{"estimate": value, "low": value - 0.1, "high": value + 0.1} for value in (0.7, 0.8, 0.6)]
    evaluated = {name: {"metrics": {"auroc": auroc}} for name, auroc in zip(names, aurocs, strict=True)}
    table = tabulate_combinations(comparison, family, evaluated)
    assert list(table.columns) == COLUMNS
    assert list(table["auroc"].iloc[:3]) == [0.7, 0.8, 0.6]
    assert table["auroc"].isna().tolist() == [False, False, False, True]
    assert table["left_out"].iloc[3] == "diverged at 1e-2"
    assert list(table["epochs"].iloc[:3]) == [3.0] * 3
    assert list(table["best_epoch"].iloc[:3]) == [2.5] * 3
    figures = draw_combinations(comparison, table, family)
    assert all(isinstance(figure, Figure) for figure in figures)
    assert len(figures[1].axes) == 2


def test_each_parameter_is_typed_by_the_nodes_of_this_pipeline_alone():
    pipeline = create_pipeline(models(GROUP))
    typed = TypeExtractor({"network_comparison": pipeline}).extract_types_from_pipelines()
    read = {name.removeprefix("params:") for name in pipeline.inputs() if name.startswith("params:")}
    assert read <= set(typed)
