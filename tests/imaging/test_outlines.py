"""Outlines drawn by networks: one region, no holes, near the lesion, and never by a network that saw the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.models.toy import Cohort, small_cohort

from lesion_fusion.cohort.audit.findings import CohortAudit
from lesion_fusion.cohort.study import Study
from lesion_fusion.datasets.registered_backbone import RegisteredNetwork
from lesion_fusion.imaging.case_files import read_cases, read_masks, tumor_mask_files
from lesion_fusion.imaging.outlines import agreement, closeness, dice, encoded, outline, training_pair
from lesion_fusion.imaging.parameters import Outline, OutlineNetwork
from lesion_fusion.pipelines.preprocessing.nodes import make_image_descriptors
from lesion_fusion.pipelines.preprocessing.outline_nodes import (
    draw_outlines,
    make_outline_images,
    make_outlines,
    measure_outlines,
    tell_under_outlines,
    train_outline_networks,
)

STUDY = Study(cohort="toy", protocol="leak-free", target="malignancy", predictors=("metadata",), seed=1)


def disc(edge: int, radius: float, x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:edge, :edge]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def blobs(n: int, edge: int = 32) -> np.ndarray:
    """Pairs of dark discs in speckle and their masks, uint8 (n, edge, edge, 2)."""
    rng = np.random.default_rng(0)
    masks = np.stack([disc(edge, rng.uniform(4, 9), *rng.uniform(10, 22, 2)) for _ in range(n)])
    images = np.clip(np.where(masks, 60, 150) + rng.normal(0, 20, masks.shape), 0, 255)
    return np.stack([images, masks * 255], axis=-1).astype("uint8")


@pytest.mark.parametrize("shape", [(40, 80), (80, 40), (64, 64)])
def test_a_map_of_the_letterboxed_image_is_drawn_where_the_lesion_is(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, dtype=bool)
    mask[shape[0] // 2 - 10 : shape[0] // 2 + 8, 12:30] = True
    pair = training_pair(mask.astype("uint8"), mask, 80)
    halved = pair[..., 1].reshape(40, 2, 40, 2).mean(axis=(1, 3), dtype="float32") / 255
    assert dice(outline(halved, shape), mask) > 0.9


def test_an_outline_is_one_region_without_holes() -> None:
    probability = (disc(64, 15, 30, 30) & ~disc(64, 5, 30, 30) | disc(64, 4, 58, 58)).astype("float32")
    drawn = outline(probability, (64, 64))
    assert drawn[30, 30]
    assert not drawn[58, 58]


def test_where_nothing_is_sure_an_outline_is_drawn_all_the_same() -> None:
    probability = 0.2 * disc(64, 10, 20, 20).astype("float32")
    assert dice(outline(probability, (64, 64)), disc(64, 10, 20, 20)) > 0.9


def test_closeness_of_a_shifted_square_is_as_counted_by_hand() -> None:
    drawn, shifted = np.zeros((2, 30, 30), dtype=bool)
    drawn[5:15, 5:15], shifted[5:15, 10:20] = True, True
    found = closeness(drawn, shifted, pixel_size_mm=0.1)
    assert found == pytest.approx(
        {"dice": 0.5, "iou": 1 / 3, "hausdorff_95": 5, "hausdorff_95_mm": 0.5, "missed": 0, "area": 1 / 9}
    )
    assert closeness(drawn, drawn)["hausdorff_95"] == 0
    assert np.isnan(closeness(drawn, drawn)["hausdorff_95_mm"])
    assert closeness(drawn, disc(30, 4, 25, 25))["missed"] == 1


def test_agreement_is_one_for_like_members_and_none_for_members_apart_or_silent() -> None:
    one, other = disc(32, 6, 8, 8).astype("float32"), disc(32, 6, 24, 24).astype("float32")
    assert agreement([one, one]) == 1
    assert agreement([one, other]) == 0
    assert agreement([0 * one, 0 * one]) == 0
    assert np.isnan(agreement([one]))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Outline:
    monkeypatch.setattr("lesion_fusion.imaging.networks.SMALL_CNN_WIDTHS", (4, 4, 8, 8))
    network = OutlineNetwork(size=32, epochs=1, batch_size=4)
    return Outline(source="predicted", folds=2, members=1, network=network)


def maps_of(pairs: np.ndarray, folds: np.ndarray, parameters: Outline) -> np.ndarray:
    """The maps (members, n, …) of all cases in their order."""
    from lesion_fusion.imaging.outline_network import maps_out_of_fold

    everyone = np.ones(len(pairs), dtype=bool)
    positions, maps = zip(*maps_out_of_fold(pairs, everyone, folds, everyone, parameters, 3), strict=True)
    return np.concatenate(maps, axis=1)[:, np.argsort(np.concatenate(positions))]


@pytest.mark.medium
def test_a_case_is_drawn_by_networks_that_saw_no_image_and_no_mask_of_its_fold(quick: Outline) -> None:
    pairs, folds = blobs(12), np.repeat([0, 1], 6)
    first = folds == 0
    spoilt = pairs.copy()
    spoilt[first, ..., 1] = 255 - spoilt[first, ..., 1]
    plain, altered = (maps_of(these, folds, quick)[0] for these in (pairs, spoilt))
    np.testing.assert_array_equal(plain[first], altered[first])
    # The check is alive: whoever learned from the spoilt masks draws something else.
    assert np.abs(plain[~first] - altered[~first]).max() > 1e-3


@pytest.mark.medium
def test_a_network_finds_discs_that_it_did_not_see() -> None:
    pairs = blobs(40)
    parameters = Outline(folds=2, members=1, network=OutlineNetwork(size=32, epochs=12))
    maps = maps_of(pairs, np.arange(40) % 2, parameters)[0]
    found = [dice(outline(one, (32, 32)), pair[..., 1] > 127) for one, pair in zip(maps, pairs, strict=True)]
    assert np.mean(found) > 0.8


@pytest.fixture
def cohort() -> Cohort:
    return small_cohort()


def told_of(cohort: Cohort, cases: pd.DataFrame, outlines: pd.DataFrame, descriptors: pd.DataFrame) -> pd.DataFrame:
    """What is told under drawn and under predicted outlines, of which `descriptors` are."""
    audit = CohortAudit(folds=2, repeats=1)
    return tell_under_outlines(cases, cohort.images, cohort.masks, outlines, descriptors, audit, STUDY)


def outlined(cohort: Cohort, cases: pd.DataFrame, parameters: Outline) -> pd.DataFrame:
    pairs = np.stack(list(make_outline_images(cases, cohort.images, cohort.masks, parameters).rows))
    return make_outlines(cases, cohort.masks, pairs, parameters, STUDY)


@pytest.mark.medium
def test_predicted_outlines_take_the_place_of_drawn_ones_everywhere(cohort: Cohort, quick: Outline) -> None:
    cases = cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])
    outlines = outlined(cohort, cases, quick)
    assert set(outlines["source"]) == {"predicted"}
    masks = [mask for mask, others in read_masks(cases, outlines) if not others]
    for (image, mask, others), decoded in zip(read_cases(cases, cohort.images, outlines), masks, strict=True):
        assert image.shape == mask.shape  # type: ignore[union-attr]
        assert not others
        np.testing.assert_array_equal(mask, decoded)
    assert tumor_mask_files(cases, outlines) == outlines["mask"].tolist()
    drawn, predicted = (make_image_descriptors(cases, cohort.images, these) for these in (cohort.masks, outlines))
    assert not drawn.equals(predicted)
    quality = measure_outlines(cases, cohort.masks, outlines)
    told = told_of(cohort, cases, outlines, predicted)
    assert set(told["cases"]) == {len(cases)}
    assert (told.loc[told["outline"] == "drawn less predicted", ["low", "high"]].to_numpy() != 0).any()
    # Under the same outlines the same is told.
    alike = outlines.assign(mask=[encoded(mask) for mask, _ in read_masks(cases, cohort.masks)])
    differences = told_of(cohort, cases, alike, drawn).query("outline == 'drawn less predicted'")
    np.testing.assert_array_equal(differences[["auroc", "low", "high"]], 0)
    assert set(draw_outlines(cases, cohort.images, cohort.masks, outlines, quality)) == {"examples"}
    assert draw_outlines(cases, cohort.images, cohort.masks, outlines, quality.iloc[:0]) == {}
    assert quality["case_id"].tolist() == cases["case_id"].tolist()
    assert quality["dice"].between(0, 1).all()


@pytest.mark.medium
def test_only_missing_outlines_are_predicted_where_the_drawn_ones_are_wanted(cohort: Cohort, quick: Outline) -> None:
    cases = cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])
    cases.loc[0, "tumor_mask_file"] = None
    parameters = quick.model_copy(update={"source": "drawn_or_predicted"})
    outlines = outlined(cohort, cases, parameters)
    assert outlines["source"].tolist() == ["predicted"] + ["drawn"] * (len(cases) - 1)
    drawn = [mask for mask, _ in read_masks(cases, cohort.masks)]
    for mask, (kept, _) in list(zip(drawn, read_masks(cases, outlines), strict=True))[1:]:
        np.testing.assert_array_equal(mask, kept)
    assert outlines["mask"].notna().all()
    assert measure_outlines(cases, cohort.masks, outlines).empty
    descriptors = make_image_descriptors(cases, cohort.images, outlines)
    assert told_of(cohort, cases, outlines, descriptors).empty


@pytest.mark.medium
def test_stored_networks_draw_in_any_image_as_in_the_pipeline_and_are_measured_on_cases_they_did_not_see(
    cohort: Cohort, quick: Outline, tmp_path: Path
) -> None:
    from lesion_fusion.imaging.outline_network import OutlineNetworks

    cases = cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])
    pairs = np.stack(list(make_outline_images(cases, cohort.images, cohort.masks, quick).rows))
    networks, held_out = train_outline_networks(cases, pairs, quick, STUDY)
    seen = held_out["source"] == "none"
    assert 0 < seen.sum() < len(cases)
    spoilt = pairs.copy()
    spoilt[~seen, ..., 1] = 0
    _, again = train_outline_networks(cases, spoilt, quick, STUDY)
    pd.testing.assert_frame_equal(again, held_out)
    networks.save(tmp_path / "networks.keras")
    stored = OutlineNetworks(tmp_path / "networks.keras")
    images = [image for image, *_ in read_cases(cases, cohort.images, cohort.masks)]
    for number, drawn in enumerate(stored.draw(images)):
        if not seen[number]:
            row = held_out.iloc[number]
            assert encoded(drawn.mask) == row["mask"]
            assert drawn.peak == pytest.approx(row["peak"], abs=1e-5)
    registered = RegisteredNetwork(tmp_path / "networks.keras", ("elsewhere",))
    as_it_is = quick.network.model_copy(update={"weights": "registered:outline", "epochs": 0})
    same, unseen = train_outline_networks(
        cases, pairs, quick.model_copy(update={"network": as_it_is}), STUDY, registered
    )
    assert (unseen["source"] == "none").all()
    np.testing.assert_array_equal(same.get_weights()[0], networks.get_weights()[0])
