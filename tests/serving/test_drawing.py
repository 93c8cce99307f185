"""Outlines that a served model's networks draw: used where the model learned under such, told, and never guessed."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lesion_fusion.imaging.outlines import Predicted, encoded
from lesion_fusion.imaging.png import GrayImage, decode_mask
from lesion_fusion.models.base import seal
from lesion_fusion.serving.answer import answer, explain
from lesion_fusion.serving.client import Client, RefusedError
from lesion_fusion.serving.drawing import outlines
from lesion_fusion.serving.request import RequestError
from lesion_fusion.serving.schema import IMAGE, MASK, SOURCE
from lesion_fusion.serving.served_model import BUNDLE
from lesion_fusion.serving.server import make_app
from tests.models.toy import domain_of
from tests.serving.test_http import LIMITS, record_and_files
from tests.serving.test_http import running as served_at
from tests.serving.test_served_model import loaded


def box(image: GrayImage, peak: float = 0.9) -> Predicted:
    """An outline of the middle of the image."""
    mask = np.zeros(image.shape, dtype=bool)
    mask[image.shape[0] // 4 : -image.shape[0] // 4, image.shape[1] // 4 : -image.shape[1] // 4] = True
    return Predicted(mask, peak, 1.0)


def boxes(images: list[GrayImage]) -> list[Predicted]:
    return [box(image) for image in images]


@pytest.fixture(scope="module")
def few(canonical: pd.DataFrame) -> pd.DataFrame:
    return canonical.iloc[:4].drop(columns=SOURCE, errors="ignore")


@pytest.fixture(scope="module")
def learned(cohort, model):
    """The domain of a model that learned under outlines of networks, without bounds for descriptors: boxes are odd."""
    domain = domain_of(cohort, model)
    wide = {name: seen.model_copy(update={"margin": 1e12}) for name, seen in domain.descriptors.items()}
    return domain.model_copy(update={"outlines": "predicted", "descriptors": wide})


def without_outlines(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop(columns=MASK)


def test_an_image_without_an_outline_is_answered_as_with_the_networks_own(model, few, learned):
    asked = without_outlines(few)
    drawn = pd.DataFrame(outlines(asked[[IMAGE]], learned, boxes))
    given = asked.assign(**{MASK: drawn[MASK], SOURCE: drawn[SOURCE]})
    sent, own = answer(model, learned, given, ""), answer(model, learned, asked, "", boxes)
    assert own["probability"].tolist() == sent["probability"].tolist()
    assert (own["parts"] == "record, image, mask").all()
    assert (
        own["reason"]
        .str.contains("outline drawn by the model's networks (highest probability 0.90)", regex=False)
        .all()
    )
    assert explain(model, learned, asked, boxes)[0]["log_odds"] == explain(model, learned, given)[0]["log_odds"]


def test_a_guess_is_no_outline(model, few, learned):
    asked = without_outlines(few)

    def unsure(images: list[GrayImage]) -> list[Predicted]:
        return [box(image, peak=0.4) for image in images]

    guessed, nothing = answer(model, learned, asked, "", unsure), answer(model, learned, asked, "")
    assert guessed["probability"].tolist() == nothing["probability"].tolist()
    assert (
        guessed["reason"]
        .str.contains("the model's networks find no lesion (highest probability 0.40)", regex=False)
        .all()
    )
    assert outlines(asked[[IMAGE]], learned, unsure)[0][MASK] is None


def test_networks_are_not_asked_where_an_outline_is_given_or_a_model_learned_under_drawn_ones(
    cohort, model, few, learned
):
    def refuse(_: list[GrayImage]) -> list[Predicted]:
        raise AssertionError

    answer(model, learned, few.assign(**{SOURCE: "predicted"}), "", refuse)
    drawn = answer(model, domain_of(cohort, model), without_outlines(few), "", refuse)
    assert not drawn["parts"].str.contains("mask").any()


def test_only_images_are_outlined_and_by_networks_that_there_are(few, learned):
    with pytest.raises(RequestError, match=f"Row 1, field {IMAGE}: it is not given"):
        outlines(pd.DataFrame({IMAGE: [few[IMAGE].iloc[0], None]}, dtype=object), learned, boxes)
    with pytest.raises(RequestError, match="has no networks"):
        outlines(few[[IMAGE]], learned, None)


def test_the_server_gives_the_outline_as_a_picture_that_it_takes(cohort, model, canonical, tmp_path, monkeypatch):
    served = loaded(cohort, model, tmp_path / "bundle")
    _, image, _ = record_and_files(cohort, canonical)
    with served_at(make_app(served, LIMITS)) as url:
        with pytest.raises(RefusedError, match="no networks"):
            Client(url).outline(image)
        monkeypatch.setattr(type(served), "draw", property(lambda _: boxes))
        found = Client(url).outline(image)
        assert found is not None
        assert 0.2 < decode_mask(found, MASK).mean() < 0.3
        assert "no outline" not in Client(url).ask({}, image, found).reason


@pytest.mark.medium
def test_stored_networks_are_read_when_an_outline_is_wanted(cohort, model, canonical, tmp_path):
    from lesion_fusion.imaging.outline_network import OutlineTrainer, together
    from lesion_fusion.imaging.parameters import OutlineNetwork
    from lesion_fusion.serving import OUTLINE_NETWORKS

    served = loaded(cohort, model, tmp_path / "bundle")
    assert served.draw is None
    networks = together([OutlineTrainer(OutlineNetwork(size=32), seed).network for seed in (1, 2)])
    networks.save(tmp_path / "bundle" / OUTLINE_NETWORKS)
    seal(tmp_path / "bundle")
    served.load_context(SimpleNamespace(artifacts={BUNDLE: str(tmp_path / "bundle")}))
    assert served.draw is not None
    found = served.outlines(canonical[[IMAGE]].iloc[:3])
    assert all(0 < one["peak"] < 1 and 0 <= one["agreement"] <= 1 for one in found)
    assert {one[SOURCE] for one in found} == {"predicted"}
    assert all(one[MASK] is None or base64.b64decode(one[MASK]) for one in found)
    blank = base64.b64encode(encoded(np.zeros((60, 50), dtype=bool))).decode()
    assert served.outlines(pd.DataFrame({IMAGE: [blank]}, dtype=object))[0][MASK] is None
