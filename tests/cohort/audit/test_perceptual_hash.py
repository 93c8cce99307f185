"""The hash against its definition, and the search for close pairs against one without shortcuts."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cohort.audit.clean import picture

from lesion_fusion.cohort.audit import images
from lesion_fusion.cohort.audit.images import BITS, CROPS, close_pairs, perceptual_hashes


def test_the_crops_lose_at_most_a_tenth_at_a_side_and_the_first_loses_nothing():
    assert CROPS[0] == (0, 0, 0, 0)
    assert len(set(CROPS)) == len(CROPS)
    assert np.max(CROPS) <= 0.1


def test_an_image_that_brightens_to_the_right_has_the_first_half_of_the_bits():
    ramp = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (160, 1))
    bits = np.unpackbits(perceptual_hashes(ramp)[0].view(np.uint8))
    assert bits[: BITS // 2].all()
    assert not bits[BITS // 2 :].any()


def test_brightness_and_contrast_do_not_matter():
    gray = picture(5).astype(float)
    hashes = [
        perceptual_hashes((scale * gray + shift).astype(np.uint8)) for scale, shift in ((1, 0), (1, 30), (0.8, 5))
    ]
    distances = [int(np.bitwise_count(hashes[0][0] ^ other[0]).sum()) for other in hashes[1:]]
    assert max(distances) <= 12


@pytest.mark.parametrize("at_once", [7, 4096])
def test_close_pairs_finds_what_comparing_everything_finds(at_once: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(images, "_AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    hashes = np.stack([perceptual_hashes(picture(seed)) for seed in range(25)])
    # Neighbours at every distance: some words of some hashes with some bits flipped.
    near = hashes.copy()
    for k, image in enumerate(near):
        flips = np.zeros(320, dtype=bool)
        flips[rng.permutation(BITS)[: 3 * k]] = True
        image ^= np.packbits(flips).view(np.uint64)
    found = {(i, j): distance for i, j, distance in close_pairs(near, hashes, 40)}
    distances = np.bitwise_count(near[:, None, None, 0] ^ hashes[None]).sum(axis=-1, dtype=int).min(axis=-1)
    expected = {(int(i), int(j)): int(distances[i, j]) for i, j in zip(*np.nonzero(distances <= 40), strict=True)}
    assert found == expected
    assert 5 < len(found) < 25
