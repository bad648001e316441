"""What CI reads: XML that parses, and annotations that stay on one line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from etc_edge.core.gate import GateOutcome
from etc_edge.report.gate_reports import github_annotations, junit, write_junit

OUTCOMES = [
    GateOutcome('drop.tc > 0.003 or accuracy.iou["a<b&\\"c"] < 1', True, {"drop.tc": 0.004}),
    GateOutcome("latency_ms.p99 > 50", False, {"latency_ms.p99": 40.5}),
]


def test_junit_is_xml_with_a_case_a_gate(tmp_path: Path) -> None:
    write_junit(OUTCOMES, "street\x01 <int8>", tmp_path / "reports" / "gates.xml")
    suites = ElementTree.parse(tmp_path / "reports" / "gates.xml").getroot()
    suite = suites.find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    fired, held = suite.findall("testcase")
    assert fired.get("name") == OUTCOMES[0].expression
    assert fired.get("classname") == "street <int8>"
    failure = fired.find("failure")
    assert failure is not None
    assert failure.get("message") == OUTCOMES[0].sentence()
    assert held.find("failure") is None
    assert held.findtext("system-out") == "latency_ms.p99 > 50: latency_ms.p99 is 40.5"


def test_junit_without_gates() -> None:
    assert ElementTree.fromstring(junit([], "street")).get("tests") == "0"


def test_annotations_are_one_line_each() -> None:
    lines = github_annotations([*OUTCOMES, GateOutcome("1 > 0\n  or 50% > 1", True, {})])
    assert lines[0].startswith("::error title=etc-edge gates::drop.tc > 0.003")
    assert lines[1].startswith("::notice title=etc-edge gates::latency_ms.p99 > 50")
    assert lines[2] == "::error title=etc-edge gates::1 > 0%0A  or 50%25 > 1"
