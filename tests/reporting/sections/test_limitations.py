from __future__ import annotations

from lesion_fusion.reporting.sections.limitations import limitations
from lesion_fusion.reporting.standing import places
from tests.reporting.toy import CLINICAL, FINDING, IMAGING, toy_study


def test_limitations_follow_from_settings_and_audit() -> None:
    found = places(toy_study().datasets["leaderboard"], CLINICAL, 0.95)
    text = " ".join(limitations(["Of the cohort."], [FINDING], ["metadata", "descriptors"], True, found))
    for part in ("Of the cohort.", "radiologist's reading", "is given, not found", "(LF203)", "best of 3 models"):
        assert part in text
    assert f"{IMAGING} was trained in 1 repeat" in text
    without = " ".join(limitations([], [], ["metadata"], False, found[:1]))
    assert without == ""
