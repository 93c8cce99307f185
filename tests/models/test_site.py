"""A site's calibration: right on average, with a slope where there are cases enough, and told in the answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from lesion_fusion.models.site import FEWEST_CASES, Site, SiteError
from lesion_fusion.serving.answer import answer
from lesion_fusion.serving.schema import MASK
from tests.models.toy import answered, domain_of, fitted_late, request_of, small_cohort


def drawn(n: int, shift: float, slope: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a model's probabilities (n, 2) at a site where the truth is shifted and stretched, and labels."""
    rng = np.random.default_rng(seed)
    position = rng.normal(-0.5, 2, n)
    risks = expit(position)
    labels = (rng.random(n) < expit(shift + slope * position)).astype(int)
    return np.column_stack([1 - risks, risks]), labels


@pytest.mark.parametrize("n", [20, 60, 5000])
def test_the_mean_risk_is_the_sites_share(n):
    probabilities, labels = drawn(n, -1.5, 1.0)
    site = Site.of_cases("north", probabilities, labels, 0.1, 0.95)
    share = (labels.sum() + 0.5) / (n + 1)
    assert site.probabilities(probabilities)[:, 1].mean() == pytest.approx(share, abs=0.01)
    assert f"{n} cases, {labels.sum()} of them malignant" in site.origin


def test_a_slope_and_a_threshold_are_fitted_with_enough_of_both_classes():
    probabilities, labels = drawn(5000, -1.0, 0.5)
    site = Site.of_cases("north", probabilities, labels, 0.1, 0.95)
    assert site.slope == pytest.approx(0.5, abs=0.05)
    assert "intercept and slope" in site.origin
    found = site.probabilities(probabilities)[labels == 1, 1] >= site.threshold(0.1)
    assert found.mean() == pytest.approx(0.95, abs=0.001)
    few = Site.of_cases("north", probabilities[:25], labels[:25], 0.1, 0.95)
    assert 0.5 < few.slope < 1.2
    assert few.threshold(0.1) == pytest.approx(0.1)


def test_few_cases_leave_the_slope_nearer_to_one_than_many_and_the_interval_wider():
    probabilities, labels = drawn(2000, 0.0, 0.3)
    many = Site.of_cases("north", probabilities, labels, 0.1, 0.95)
    parts = [slice(start, start + 25) for start in range(0, 2000, 25)]
    few = [Site.of_cases("north", probabilities[rows], labels[rows], 0.1, 0.95) for rows in parts]
    assert many.slope < np.mean([site.slope for site in few]) < 1
    narrow, wide = (np.diff(site.map.interval(probabilities, 0.95), axis=1) for site in (many, few[0]))
    assert narrow.mean() < wide.mean()


def test_a_site_without_a_malignant_case_has_finite_risks():
    probabilities, _ = drawn(20, 0.0, 1.0)
    risks = Site.of_cases("north", probabilities, np.zeros(20, dtype=int), 0.1, 0.95).probabilities(probabilities)
    assert 0 < risks[:, 1].mean() < 0.1


def test_too_few_cases_are_refused():
    probabilities, labels = drawn(FEWEST_CASES - 1, 0, 1)
    with pytest.raises(SiteError, match="19 whole cases are too few"):
        Site.of_cases("north", probabilities, labels, 0.1, 0.95)


def test_a_stated_share_shifts_the_log_odds_and_keeps_the_risk_that_decides():
    site = Site.of_share("north", 0.1, 0.4)
    probabilities, _ = drawn(10, 0, 1)
    moved = logit(site.probabilities(probabilities)[:, 1]) - logit(probabilities[:, 1])
    np.testing.assert_allclose(moved, logit(0.1) - logit(0.4))
    assert site.threshold(0.1) == pytest.approx(0.1)
    assert "as stated" in site.origin


@pytest.mark.medium
def test_an_answer_is_that_of_the_site_and_says_so():
    cohort = small_cohort()
    model, rows = fitted_late(cohort), request_of(cohort)
    site = Site.of_share("north", 0.1, 0.4)
    domain = domain_of(cohort, model).model_copy(update={"site": site})
    assert type(domain).model_validate_json(domain.model_dump_json()) == domain
    for asked in (rows, rows.drop(columns=[MASK])):
        plain, calibrated = answered(cohort, model, asked), answer(model, domain, asked, "v")
        odds = [logit(table["probability"].astype(float)) for table in (plain, calibrated)]
        np.testing.assert_allclose(odds[1] - odds[0], logit(0.1) - logit(0.4))
        assert set(calibrated["site"]) == {site.origin}
        assert set(plain["site"]) == {""}
        assert (calibrated["low"] < calibrated["probability"]).all()
        decided = calibrated[~calibrated["abstained"].astype(bool)]
        expected = np.where(decided["probability"] >= decided["threshold"], "malignant", "benign")
        assert (decided["decision"] == expected).all()
