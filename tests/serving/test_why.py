"""Why an answer is as it is: contributions that sum to it, from records that are no patient's."""

from __future__ import annotations

import base64
import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.special import logit

from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.models.late_rules import Mean
from lesion_fusion.models.network import FittedNetwork
from lesion_fusion.models.site import Site
from lesion_fusion.serving.answer import answer, explain
from lesion_fusion.serving.schema import MASK
from lesion_fusion.serving.why import sampled_shapley
from tests.models.toy import RECORD, answered, domain_of, fitted_tabular


@pytest.mark.parametrize("views", [("record",), ("record", "image_descriptors"), None])
def test_contributions_sum_to_the_answer(cohort, model, canonical, views):
    asked = model if views is None else fitted_tabular(cohort, views)
    rows = canonical.iloc[:3]
    found = explain(asked, domain_of(cohort, asked), rows)
    probabilities = answered(cohort, asked, rows)["probability"].astype(float)
    np.testing.assert_allclose([one["log_odds"] for one in found], logit(probabilities), atol=1e-6)
    for one, (_, row) in zip(found, rows[list(RECORD)].iterrows(), strict=True):
        assert set(one["fields"]) == set(row.dropna().index)
        assert one["base"] + sum(one["fields"].values()) == pytest.approx(one["log_odds"])
        sizes = [abs(value) for value in one["fields"].values()]
        assert sizes == sorted(sizes, reverse=True)


def test_shapley_values_are_exact_for_two_players_and_where_players_add_up():
    weights = np.array([3.0, -1.0, 0.0, 0.5, 8.0])
    base, values = sampled_shapley(lambda shown: 2 + shown @ weights, 5)
    assert base == 2
    np.testing.assert_allclose(values, weights, atol=1e-12)
    together = {(False, False): 1.0, (True, False): 2.0, (False, True): 5.0, (True, True): 14.0}
    base, values = sampled_shapley(lambda shown: np.array([together[tuple(one)] for one in shown.tolist()]), 2)
    assert base == 1
    np.testing.assert_allclose(values, [(1 + 9) / 2, (4 + 12) / 2])


def test_shapley_values_sum_to_what_all_have_and_a_player_without_effect_has_none():
    base, values = sampled_shapley(lambda shown: np.exp(shown[:, 1:].sum(axis=1)) + shown[:, 1] * shown[:, 2], 4)
    assert base + values.sum() == pytest.approx(np.exp(3) + 1)
    assert values[0] == 0


def test_without_an_outline_the_models_that_remain_are_explained(cohort, model, canonical):
    rows = canonical.iloc[:2].drop(columns=[MASK])
    found = explain(model, domain_of(cohort, model), rows)
    probabilities = answered(cohort, model, rows)["probability"].astype(float)
    np.testing.assert_allclose([one["log_odds"] for one in found], logit(probabilities), atol=1e-6)


def test_a_missing_field_moves_the_answer_within_the_range_that_is_told(cohort, model, canonical):
    whole = canonical.dropna(subset=list(RECORD)).iloc[[0]]
    domain = domain_of(cohort, model)
    assert explain(model, domain, whole)[0]["missing"] == {}
    (found,) = explain(model, domain, whole.drop(columns=["margin", "age"]))
    widths = [high - low for low, high in found["missing"].values()]
    assert set(found["missing"]) == {"margin", "age"}
    assert widths == sorted(widths, reverse=True)
    low, high = found["missing"]["margin"]
    given = sorted({one["margin"] for one in domain.background} - {None})
    asked = [whole.drop(columns="age").assign(margin=value) for value in given]
    probabilities = [float(answered(cohort, model, rows)["probability"].iloc[0]) for rows in asked]
    assert (low, high) == pytest.approx((min(probabilities), max(probabilities)), abs=1e-9)


def test_of_a_site_the_explanation_is_that_of_its_answer(cohort, model, canonical):
    domain = domain_of(cohort, model)
    moved = domain.model_copy(update={"site": Site.of_share("Clinic", 0.1, 0.5)})
    rows = canonical.iloc[:1].drop(columns=["margin"])
    (found,) = explain(model, moved, rows)
    probability = answer(model, moved, rows.reset_index(drop=True), "v")["probability"].iloc[0]
    assert found["log_odds"] == pytest.approx(logit(float(probability)), abs=1e-6)
    assert found["missing"]["margin"][1] < explain(model, domain, rows)[0]["missing"]["margin"][1]


def test_the_background_is_no_patient_and_the_radiologists_category_is_put_in_words(cohort, model, canonical):
    labelled = cohort.inputs.cases.assign(label=cohort.inputs.cases["classification"])
    domain = type(domain_of(cohort, model)).of(
        model, labelled, cohort.inputs.image_descriptors, domain_of(cohort, model).rules
    )
    records = {tuple(row) for row in cohort.inputs.cases[list(RECORD)].astype("str").to_numpy()}
    drawn = [tuple(str(one[name]) for name in RECORD) for one in domain.background]
    assert len(drawn) == 16
    assert not records & set(drawn)
    (found,) = explain(model, domain, canonical.iloc[[0]])
    category = canonical["birads"].iloc[0]
    of_category = labelled[labelled["birads"] == category]
    malignant = (of_category["label"] == "malignant").sum()
    assert f"BI-RADS {category}" in found["birads"]
    assert f"{malignant} of {len(of_category)} lesions" in found["birads"]


@pytest.mark.medium
def test_a_network_shows_where_it_looks_and_all_reasons_take_half_a_second(cohort, model, canonical):
    from lesion_fusion.imaging.networks import HEAD, build_network

    seen = ImageInput(variant="crop_with_mask", size=48)
    network = FittedNetwork(
        "imaging", "net", model.classes, 0.4, build_network("small_cnn", seen.shape, 2), seen, model.calibration
    )
    members = {**model.members, network.full_name: network}
    three = replace(model, members=members, fusions={tuple(members): replace(model.fusion, rule=Mean())})
    domain, rows = domain_of(cohort, three), canonical.iloc[[0]]

    def picture() -> np.ndarray:
        (coded,) = explain(three, domain, rows)[0]["heat_maps"].values()
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(coded)))).astype(int)

    shown = picture()
    assert shown.shape == (48, 48, 3)
    assert np.ptp(shown, axis=2).max() > 20
    start = time.process_time()
    explain(three, domain, rows)
    assert time.process_time() - start < 0.5
    # The opposite head: what spoke for a class speaks against it.
    head = network.network.get_layer(HEAD)
    kernel, bias = head.get_weights()
    head.set_weights([-kernel, bias])
    warmer = [np.sign(one[..., 0] - one[..., 2]) for one in (shown, picture())]
    strong = np.abs(shown[..., 0] - shown[..., 2]) > 20
    assert (warmer[0] == -warmer[1])[strong].all()
    assert explain(three, domain, rows.drop(columns=[MASK]))[0]["heat_maps"] == {}
