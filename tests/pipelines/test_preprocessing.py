"""The images and masks that networks read."""

from __future__ import annotations

import numpy as np
import pytest
from kedro.pipeline import Pipeline

from lesion_fusion.config import reading
from lesion_fusion.imaging.case_files import lesion_masks
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.pipeline_registry import register_pipelines
from lesion_fusion.pipelines.preprocessing.nodes import make_lesion_images
from tests.config.resolved import configured
from tests.models.toy import small_cohort

INPUT = ImageInput(size=24)


def test_the_masks_of_an_input_are_its_mask_channel():
    cohort = small_cohort()
    cases = cohort.inputs.cases
    masks = np.stack(list(lesion_masks(cases, cohort.masks, INPUT)))
    images = np.stack(list(make_lesion_images(cases, cohort.images, cohort.masks, INPUT).rows))
    np.testing.assert_array_equal(masks, images[..., 1])


def readers_of_drawn_masks(monkeypatch: pytest.MonkeyPatch, source: str) -> tuple[Pipeline, set[str]]:
    outline = {"preprocessing": {"outline": {"source": source}}}
    monkeypatch.setattr(reading, "_in_use", [configured("local", **outline)])
    pipeline = register_pipelines()["__default__"]
    return pipeline, {node.func.__name__ for node in pipeline.nodes if "raw_masks" in node.inputs}


def test_under_predicted_outlines_no_model_reads_a_drawn_mask(monkeypatch: pytest.MonkeyPatch):
    pipeline, readers = readers_of_drawn_masks(monkeypatch, "predicted")
    # What checks and audits the files, what networks learn to draw from, and what they are measured against.
    learned = {"make_outline_images", "make_outlines"}
    measured = {"measure_outlines", "tell_under_outlines", "draw_outlines"}
    assert readers == {"build_cases", "audit_cohort", *learned, *measured}
    under = {node.func.__name__ for node in pipeline.nodes if "outlines" in node.inputs}
    assert {"make_image_descriptors", "make_lesion_images", "make_smoke_test", "draw_examples"} <= under


def test_under_drawn_outlines_no_network_draws(monkeypatch: pytest.MonkeyPatch):
    pipeline, readers = readers_of_drawn_masks(monkeypatch, "drawn")
    assert {"make_image_descriptors", "make_lesion_images"} <= readers
    assert "outlines" not in pipeline.datasets()
