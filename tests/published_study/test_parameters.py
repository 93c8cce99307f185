from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.published_study.toy import FOREST, toy_parameters

NETWORK = {"kind": "network", "network": {"backbone": "small_cnn"}}
EMBEDDED = {
    "kind": "classifier",
    "classifier": "logistic_regression",
    "views": ["record", "embeddings"],
    "network": "imaging.net",
    "embedding_components": 2,
}


def test_entries_are_told_apart_by_their_kind():
    parameters = toy_parameters(
        imaging={"net": NETWORK},
        fusion={
            "late": {"kind": "late", "members": ["clinical.random_forest", "imaging.net"], "rule": "mean"},
            "intermediate": EMBEDDED,
            "left_out": None,
        },
        compared=["clinical.random_forest"],
    )
    kinds = {name: entry.kind for name, entry in parameters.entries.items()}
    assert kinds == {
        "clinical.random_forest": "classifier",
        "imaging.net": "network",
        "fusion.late": "late",
        "fusion.intermediate": "classifier",
    }
    assert parameters.imaging["net"].image_inputs_read == ("masked_full",)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"compared": ["clinical.forest"]}, ["compared", "clinical.forest", "clinical.random_forest"]),
        (
            {"fusion": {"late": {"kind": "late", "members": ["clinical.random_forest", "imaging.net"]}}},
            ["members", "imaging.net"],
        ),
        ({"fusion": {"joint": EMBEDDED}}, ["fusion.joint.network", "imaging.net"]),
        (
            {"imaging": {"net": NETWORK}, "fusion": {"joint": EMBEDDED}, "compared": ["fusion.joint"]},
            ["compared", "fusion.joint"],
        ),
        (
            {"fusion": {"raw": {**FOREST, "views": ["record", "pixels"], "image_input": "crop"}}},
            ["image_input", "masked_full"],
        ),
        ({"fusion": {"net": NETWORK}}, ["fusion.net", "under imaging"]),
        (
            {"imaging": {"net": NETWORK, "late": EMBEDDED}, "compared": ["imaging.net"]},
            ["imaging.late", "imaging.net", "under fusion"],
        ),
        ({"clinical": {"forest": "random_forest"}}, ["forest", "parameters"]),
        ({"predictors": ["metadata", "outcome"]}, ["outcome", "may not predict"]),
    ],
)
def test_what_does_not_fit_is_told_in_words(values: dict, words: list[str]):
    with pytest.raises(ValidationError) as error:
        toy_parameters(**values)
    for word in words:
        assert word in str(error.value)
