"""Numbers, their documentation, and the parameters that speak of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lesion_fusion.cohort.audit.findings import PAGE, RULES, CohortAudit, Severity, finding, named

ROOT = Path(__file__).resolve().parents[3]


def test_every_number_has_its_section_with_title_and_severity():
    sections = re.findall(r"^### (LF\d{3})\n\n\*\*(.+?)\*\* \((\w+)", (ROOT / PAGE).read_text(), flags=re.MULTILINE)
    assert [(number, rule.title, rule.severity.value) for number, rule in RULES.items()] == sections


def test_an_anchor_is_the_sections():
    assert finding("LF203", "").anchor == "docs/reference/audit-findings.md#lf203"


def test_a_severity_may_be_given():
    assert finding("LF301", "", severity=Severity.WARNING).severity is Severity.WARNING
    assert finding("LF301", "").severity is Severity.ERROR


def test_an_explanation_of_a_number_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="LF999"):
        CohortAudit.model_validate({"explained": {"LF999": {"reason": "none"}}})


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"large_mask": 1.5}, {"near_duplicate_bits": 300}, {"typo": 1}])
def test_a_wrong_parameter_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CohortAudit.model_validate(wrong)


def test_wording():
    assert named(["a", "b"]) == "a, b"
    assert named([str(k) for k in range(14)]).endswith("11 and 2 more")


def test_the_whole_audit_is_plain_json(cohort):
    audit = cohort.audited()
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit
