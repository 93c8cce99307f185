"""The section of outlines that networks drew: the numbers of the summary, and the leaderboard's word."""

from __future__ import annotations

import pandas as pd

from lesion_fusion.evaluation.judge import Evaluation
from lesion_fusion.imaging.parameters import Outline
from lesion_fusion.reporting.sections.leaderboard import outline_seen
from lesion_fusion.reporting.sections.outlines import write

PREDICTED = Outline(source="predicted")
SUMMARY = pd.DataFrame(
    [
        ("all", "dice_mean", 20, 0.81, 0.75, 0.86),
        ("all", "missed_share", 20, 0.05, 0.01, 0.2),
        ("normal", "false_outline_share", 7, 0.14, 0.02, 0.4),
    ],
    columns=["group", "measure", "cases", "estimate", "low", "high"],
)


def test_the_numbers_of_the_summary_stand_in_the_section() -> None:
    html = write(SUMMARY, {}, Evaluation(baseline="clinical.x"), PREDICTED)
    for shown in ("0.810", "0.050", "0.140", "20", "7", "saw neither the case nor its patient"):
        assert shown in html
    assert "Hausdorff" not in html


def test_the_leaderboard_names_the_outline_that_a_model_saw() -> None:
    assert outline_seen("metadata, image, mask", PREDICTED) == "predicted"
    assert outline_seen("image, mask", Outline()) == "drawn"
    assert outline_seen("image", PREDICTED) == "none"
    assert outline_seen("metadata", PREDICTED) == ""
