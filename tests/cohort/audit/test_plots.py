"""The audit's plots show what its tables say, and say so where there is nothing to draw."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from lesion_fusion.pipelines.reporting.plot_nodes import draw_audit
from lesion_fusion.plots import cohort as plots


def drawn(audit: dict[str, Any]) -> tuple[Figure, Figure, Figure, Figure]:
    tables = audit["tables"]
    return (
        plots.classes_plot(tables["classes"]),
        plots.ages_plot(tables["ages"], tables["age_summary"]),
        plots.birads_plot(tables["birads"]),
        plots.missingness_plot(tables["missingness"], audit["alpha"]),
    )


def texts(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.medium
def test_a_full_record_is_drawn_without_global_state(cohort):
    audit = cohort.with_cells("age", np.nan, slice(0, 6)).audited_record()
    pictures = draw_audit(audit)
    assert {name: picture[1:4] for name, picture in pictures.items()} == dict.fromkeys(
        ("classes", "ages", "birads", "missingness"), b"PNG"
    )
    classes, ages, birads, missingness = drawn(audit)
    assert not plt.get_fignums()
    assert [bar.get_height() for bar in classes.axes[0].patches] == [20, 20]
    assert sum(bar.get_height() for bar in ages.axes[0].patches) == 33
    assert sum(bar.get_height() for bar in birads.axes[0].patches) == 40
    # The share above the tallest bar needs room below the title.
    assert birads.axes[0].get_ylim()[1] > 1.1 * max(bar.get_y() + bar.get_height() for bar in birads.axes[0].patches)
    assert [bar.get_width() for bar in missingness.axes[0].patches] == [pytest.approx(7 / 40)]


def test_balancing_brings_every_class_to_the_largest(cohort):
    classes, *_ = drawn(cohort.with_cells("classification", "benign", slice(0, 9)).audited_record())
    tops = {}
    for bar in classes.axes[1].patches:
        tops[round(bar.get_x(), 3)] = max(tops.get(round(bar.get_x(), 3), 0), bar.get_y() + bar.get_height())
    assert set(tops.values()) == {25}


def test_an_empty_record_is_said_in_words(cohort):
    empty = cohort.with_cells("age", np.nan).with_cells("birads", None)
    _, ages, birads, missingness = drawn(empty.audited_record())
    assert "no ages" in texts(ages)
    assert "no BI-RADS" in texts(birads)
    assert "No column is missing in some lesions" in texts(missingness)
    assert "Nothing is missing" in texts(drawn(cohort.audited_record())[3])
