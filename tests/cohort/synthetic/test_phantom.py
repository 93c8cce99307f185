"""The phantom: speckle statistics, descriptors that are visible, and an image signal of the wanted strength."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import label
from skimage.measure import regionprops
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table, render_files, render_masks
from lesion_fusion.cohort.synthetic.phantom import Appearance, draw_image, lesion_outline, speckle

OVAL = Appearance(
    shape="oval",
    margin="circumscribed",
    echogenicity="hypoechoic",
    posterior_features="no",
    halo="no",
    calcifications="no",
    skin_thickening="no",
    lesion=True,
    diameter_mm=10.0,
    aspect=0.7,
    others=0,
    width=240,
    height=240,
    pixel_mm=0.16,
    fan=False,
)


def drawn(appearance: Appearance, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return gray image and lesion mask."""
    outline = lesion_outline(appearance, np.random.default_rng(seed))
    image = draw_image(appearance, outline, (), np.random.default_rng(seed + 1000))
    return image[..., 0].astype(float), outline.mask(appearance.height, appearance.width)


def solidity(mask: np.ndarray) -> float:
    return regionprops(mask.astype(np.uint8))[0].solidity


def gray_behind(appearance: Appearance, seed: int) -> float:
    gray, mask = drawn(appearance, seed)
    rows, columns = np.nonzero(mask)
    middle = slice(int(np.quantile(columns, 0.3)), int(np.quantile(columns, 0.7)))
    return float(gray[rows.max() + 3 : rows.max() + 30, middle].mean())


def test_speckle_is_rayleigh_distributed():
    strength = np.full((600, 600), 2.0, dtype=np.float32)
    envelope = speckle(strength, np.zeros_like(strength), (0.7, 1.4), np.random.default_rng(0))
    # Mean over standard deviation of a Rayleigh distribution is sqrt(pi / (4 - pi)) = 1.91.
    assert envelope.mean() / envelope.std() == pytest.approx(1.913, rel=0.03)
    assert np.mean(envelope**2) == pytest.approx(4.0, rel=0.03)


def test_speckle_is_wider_across_the_beam_than_along_it():
    strength = np.ones((300, 300), dtype=np.float32)
    envelope = speckle(strength, np.zeros_like(strength), (0.7, 1.4), np.random.default_rng(0))
    along = np.corrcoef(envelope[:-2].ravel(), envelope[2:].ravel())[0, 1]
    across = np.corrcoef(envelope[:, :-2].ravel(), envelope[:, 2:].ravel())[0, 1]
    assert across > along + 0.2


@pytest.mark.parametrize(
    ("feature", "brighter"), [("enhancement", True), ("shadowing", False)], ids=["enhancement", "shadowing"]
)
def test_posterior_features_change_what_lies_behind_the_lesion(feature, brighter):
    with_feature = replace(OVAL, posterior_features=feature)
    gain = np.mean([gray_behind(with_feature, seed) - gray_behind(OVAL, seed) for seed in range(6)])
    assert gain > 15 if brighter else gain < -15


def test_echogenicity_orders_the_lesions_brightness():
    kinds = ["anechoic", "hypoechoic", "isoechoic", "hyperechoic"]
    brightness = []
    for kind in kinds:
        pairs = [drawn(replace(OVAL, echogenicity=kind), seed) for seed in range(4)]
        brightness.append(np.mean([gray[mask].mean() for gray, mask in pairs]))
    assert brightness == sorted(brightness)
    assert brightness[0] < 20


def test_spiculated_and_irregular_outlines_are_less_solid_than_an_oval_one():
    kinds = [("oval", "circumscribed"), ("irregular", "circumscribed"), ("irregular", "not circumscribed - spiculated")]
    means = [
        np.mean([solidity(drawn(replace(OVAL, shape=shape, margin=margin), seed)[1]) for seed in range(8)])
        for shape, margin in kinds
    ]
    assert means[0] > 0.97
    assert means[0] > means[1] > means[2]


def test_an_indistinct_margin_has_a_softer_edge():
    def edge(margin: str) -> float:
        total = 0.0
        for seed in range(8):
            gray, mask = drawn(replace(OVAL, margin=margin, diameter_mm=14), seed)
            center = np.array(np.nonzero(mask)).mean(axis=1).astype(int)
            rows, columns = np.nonzero(mask)
            inner = np.hypot(rows - center[0], columns - center[1]) < 0.6 * np.sqrt(mask.sum() / np.pi)
            rim = mask.copy()
            rim[rows[inner], columns[inner]] = False
            total += gray[rim].mean() - gray[rows[inner], columns[inner]].mean()
        return total / 8

    assert edge("not circumscribed - indistinct") > edge("circumscribed") + 1


@pytest.mark.parametrize("diameter", [0.5, 200.0])
@pytest.mark.parametrize("aspect", [0.2, 4.0])
def test_a_lesion_of_any_size_lies_whole_inside_the_image(diameter, aspect):
    appearance = replace(OVAL, shape="irregular", margin="not circumscribed - spiculated&angular", height=96, width=64)
    for seed in range(10):
        _, mask = drawn(replace(appearance, diameter_mm=diameter, aspect=aspect), seed)
        assert mask.sum() > 20
        assert mask.sum() == mask[1:-1, 1:-1].sum()


def test_every_tumor_mask_is_one_component():
    masks = render_masks(SyntheticCohort(cases=60, seed=2))
    for name, render in masks.items():
        if "tumor" in name:
            assert label(np.asarray(Image.open(io.BytesIO(render())))[..., 0], np.ones((3, 3)))[1] == 1


def features(cohort: SyntheticCohort) -> tuple[np.ndarray, np.ndarray]:
    """Return a few shape and intensity features of each lesion, and whether it is malignant."""
    table, files = published_table(cohort), render_files(cohort)
    table = table[table["Classification"] != "normal"]
    rows = []
    for image, mask, pixel in zip(
        table["Image_filename"], table["Mask_tumor_filename"], table["Pixel_size"].astype(float), strict=True
    ):
        pngs = [files[name]() for name in (image, mask)]
        gray, inside = (np.asarray(Image.open(io.BytesIO(png)))[..., 0] for png in pngs)
        region = regionprops((inside > 127).astype(np.uint8))[0]
        top, left, bottom, right = region.bbox
        behind = gray[bottom : bottom + 25, left:right]
        rows.append(
            [
                np.log(region.area * pixel**2),
                region.solidity,
                region.eccentricity,
                (bottom - top) / (right - left),
                gray[inside > 127].mean(),
                gray[inside > 127].std(),
                behind.mean() - gray[bottom : bottom + 25].mean(),
                float(gray.shape[0]),
                float(gray.shape[1]),
                float(len(pngs[0])),
            ]
        )
    return np.array(rows), (table["Classification"] == "malignant").to_numpy()


def auroc(values: np.ndarray, malignant: np.ndarray) -> float:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return roc_auc_score(malignant, cross_val_predict(model, values, malignant, cv=folds, method="predict_proba")[:, 1])


@pytest.mark.slow
def test_the_default_image_has_the_stated_signal():
    assert auroc(*features(SyntheticCohort(cases=404))) == pytest.approx(0.88, abs=0.05)


@pytest.mark.slow
def test_an_image_without_signal_is_independent_of_the_outcome_whatever_the_record_tells():
    values, malignant = features(SyntheticCohort(cases=404, image_signal=0, record_signal=1))
    assert auroc(values, malignant) == pytest.approx(0.5, abs=0.08)
    for column in values.T:
        assert roc_auc_score(malignant, column) == pytest.approx(0.5, abs=0.09)
