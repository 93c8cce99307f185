"""The section of outlines that networks drew: the numbers of the summary, and the leaderboard's word."""

from __future__ import annotations

import re
from itertools import product

import pandas as pd
import pytest

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
SEEN, SOURCES = ("outline alone", "pixels alone", "both"), ("drawn", "predicted", "drawn less predicted")
TOLD = pd.DataFrame(
    [(seen, name, 52, 0.5 + 0.01 * i, 0.4, 0.6) for i, (seen, name) in enumerate(product(SEEN, SOURCES))],
    columns=["seen", "outline", "cases", "auroc", "low", "high"],
)


def test_the_numbers_of_the_summary_stand_in_the_section() -> None:
    html = write(SUMMARY, TOLD, {}, Evaluation(baseline="clinical.x"), PREDICTED)
    for shown in ("0.810", "0.050", "0.140", "20", "7", "saw neither the case nor its patient"):
        assert shown in html
    assert "Hausdorff" not in html


def test_what_is_told_under_drawn_and_predicted_outlines_stands_side_by_side() -> None:
    html = write(SUMMARY, TOLD, {}, Evaluation(baseline="clinical.x"), PREDICTED)
    for row, name in enumerate(SEEN):
        line = re.search(rf'<th scope="row">{name}</th>(.*?)</tr>', html, flags=re.DOTALL)
        assert line is not None
        shown = [float(one) for one in re.findall(r'<td class="number"><data value="([\d.]+)"', line[1])]
        assert shown == [pytest.approx(0.5 + 0.01 * (3 * row + i)) for i in range(3)]
        assert "+0." in line[1]
    assert "on the 52 lesions that have both" in html
    assert "lesions that have both" not in write(SUMMARY, TOLD.iloc[:0], {}, Evaluation(baseline="c.x"), PREDICTED)


def test_the_leaderboard_names_the_outline_that_a_model_saw() -> None:
    assert outline_seen("metadata, image, mask", PREDICTED) == "predicted"
    assert outline_seen("image, mask", Outline()) == "drawn"
    assert outline_seen("image", PREDICTED) == "none"
    assert outline_seen("metadata", PREDICTED) == ""
