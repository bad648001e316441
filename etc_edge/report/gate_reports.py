"""What became of gates, as CI systems read it: JUnit XML and GitHub's workflow commands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from etc_edge.core.atomic import atomic_file
from etc_edge.core.gate import GateOutcome

SUITE = "etc-edge gates"


def write_junit(outcomes: Sequence[GateOutcome], model: str, path: Path) -> None:
    """Write a JUnit file with one test case a gate; a gate that fired is a failure.

    Raises:
        EtcEdgeError: the file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(junit(outcomes, model), encoding="utf-8")


def junit(outcomes: Sequence[GateOutcome], model: str) -> str:
    """The file's text."""
    fired = sum(outcome.fired for outcome in outcomes)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites tests="{len(outcomes)}" failures="{fired}">',
        f'  <testsuite name={quoteattr(SUITE)} tests="{len(outcomes)}" failures="{fired}" errors="0">',
    ]
    for outcome in outcomes:
        case = f"    <testcase classname={quoteattr(_printable(model))} name={quoteattr(outcome.expression)}"
        if outcome.fired:
            lines.append(f"{case}>")
            lines.append(f'      <failure type="gate" message={quoteattr(outcome.sentence())}/>')
            lines.append("    </testcase>")
        else:
            lines.append(f"{case}><system-out>{escape(outcome.sentence())}</system-out></testcase>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>"]) + "\n"


def github_annotations(outcomes: Sequence[GateOutcome]) -> list[str]:
    """One workflow command a gate: an error where it fired, a notice where it did not."""
    return [
        f"::{'error' if outcome.fired else 'notice'} title={SUITE}::{_data(outcome.sentence())}" for outcome in outcomes
    ]


def _data(text: str) -> str:
    """Text of a workflow command, escaped as GitHub's own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _printable(text: str) -> str:
    """Without characters that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text)
