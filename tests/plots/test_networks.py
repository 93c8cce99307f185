from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesion_fusion.plots.networks import attention_plot, training_plot


def training_log() -> pd.DataFrame:
    """Two folds, the second of which stops after two epochs, and the training on all cases."""
    rows = [(0, 1, 0.9), (0, 2, 0.7), (0, 3, 0.5), (1, 1, 0.8), (1, 2, 0.3), (-1, 1, 9.0)]
    table = pd.DataFrame(rows, columns=["fold", "epoch", "loss"])
    return table.assign(
        repeat=np.where(table["fold"] < 0, -1, 0),
        **dict.fromkeys(("val_loss", "accuracy", "val_accuracy", "auroc", "val_auroc"), table["loss"]),
    )


def test_training_curves_are_means_over_all_folds_and_leave_the_refit_out() -> None:
    figure = training_plot(training_log())
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
    figure = attention_plot(attention, summary, ("benign", "malignant"))
    assert isinstance(figure, Figure)
    labels = [line.get_label() for line in figure.axes[0].lines]
    assert labels == ["evenly spread", "benign\nmedian ratio 2.50 (2.00 to 3.00)", "malignant"]
