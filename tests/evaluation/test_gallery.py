from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lesion_fusion.evaluation.attention import GROUPS, gallery_cases
from lesion_fusion.evaluation.figures.network_figures import attention_figure, training_curves_figure
from lesion_fusion.evaluation.figures.picture_figures import Picture, picture_grid

from .tables import binary_predictions, simulated


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    return binary_predictions(*simulated(60, 1.0, seed=1))


def own_probability(predictions: pd.DataFrame) -> pd.Series:
    table = predictions.groupby(["case_id", "label"], as_index=False)[["p_benign", "p_malignant"]].mean()
    own = np.where(table["label"] == "malignant", table["p_malignant"], table["p_benign"])
    return pd.Series(own, index=table["case_id"])


def test_groups_hold_the_extremes_of_each_class(predictions: pd.DataFrame) -> None:
    found = gallery_cases(predictions, 3)
    own = own_probability(predictions)
    labels = predictions.drop_duplicates("case_id").set_index("case_id")["label"]
    assert list(dict.fromkeys(found["group"])) == list(GROUPS)
    assert found["case_id"].is_unique
    np.testing.assert_allclose(found["p"], own[found["case_id"]])
    for label in ("benign", "malignant"):
        of_class = own[labels[labels == label].index]
        groups = {group: rows["p"].to_numpy() for group, rows in found[found["label"] == label].groupby("group")}
        np.testing.assert_allclose(groups["best"], of_class.nlargest(3))
        np.testing.assert_allclose(groups["worst"], of_class.nsmallest(3))
        rest = of_class.drop([*of_class.nlargest(3).index, *of_class.nsmallest(3).index])
        np.testing.assert_allclose(np.abs(groups["most uncertain"] - 0.5), np.sort(np.abs(rest - 0.5))[:3])


def test_row_order_does_not_matter_and_few_cases_are_shown_once(predictions: pd.DataFrame) -> None:
    shuffled = predictions.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(gallery_cases(predictions, 3), gallery_cases(shuffled, 3))
    few = predictions[predictions["case_id"].isin(predictions["case_id"].unique()[:4])]
    found = gallery_cases(few, 3)
    assert found["case_id"].is_unique
    assert set(found["case_id"]) == set(few["case_id"])


def test_a_grid_places_every_picture_once_and_draws_outline_and_heat() -> None:
    mask = np.zeros((16, 16), dtype="uint8")
    mask[4:9, 4:9] = 255
    shown = Picture(mask, "text", mask, mask.astype("float32"))
    figure = picture_grid([("first", [shown, None]), ("second", [shown, Picture(mask)])], {"a": 1, "b": 1}, "title")
    assert len(figure.axes) == 3
    assert [len(axes.images) for axes in figure.axes] == [2, 2, 1]
    assert [len(axes.collections) for axes in figure.axes] == [1, 1, 0]
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)
    assert boxes[0].y0 > boxes[1].y1


def training_log() -> pd.DataFrame:
    """Two folds, the second of which stops after two epochs, and the training on all cases."""
    rows = [(0, 1, 0.9), (0, 2, 0.7), (0, 3, 0.5), (1, 1, 0.8), (1, 2, 0.3), (-1, 1, 9.0)]
    table = pd.DataFrame(rows, columns=["fold", "epoch", "loss"])
    return table.assign(
        repeat=np.where(table["fold"] < 0, -1, 0),
        **dict.fromkeys(("val_loss", "accuracy", "val_accuracy", "auroc", "val_auroc"), table["loss"]),
    )


def test_training_curves_are_means_over_all_folds_and_leave_the_refit_out() -> None:
    figure = training_curves_figure(training_log())
    assert [axes.get_ylabel() for axes in figure.axes] == ["Loss", "Accuracy", "AUROC"]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    # In the third epoch the fold that stopped counts with its last value.
    np.testing.assert_allclose(lines["training"].get_ydata(), [0.85, 0.5, 0.4])
    np.testing.assert_allclose(lines["validation"].get_xdata(), [1, 2, 3])


def test_attention_is_drawn_for_every_case() -> None:
    attention = pd.DataFrame(
        {"label": ["benign", "malignant"], "share_inside": [0.5, 0.7], "lesion_share_of_area": [0.2, 0.3]}
    )
    summary = pd.DataFrame({"label": ["benign"], "ratio": [2.5], "ratio_low": [2.0], "ratio_high": [3.0]})
    figure = attention_figure(attention, summary, ("benign", "malignant"))
    assert isinstance(figure, Figure)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["evenly spread", "benign\nmedian ratio 2.50 (2.00 to 3.00)", "malignant"]
