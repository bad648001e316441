from __future__ import annotations

import pytest
from click.testing import CliRunner

from etc_edge.backends.table import BACKENDS, CPU_BACKENDS
from etc_edge.cli.doctor import command
from etc_edge.stages import doctor


def test_the_report_ends_with_a_verdict_for_every_target(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = {None, "graph", *CPU_BACKENDS}
    monkeypatch.setattr(doctor, "PACKAGES", [row for row in doctor.PACKAGES if row[1] in engines])
    result = CliRunner().invoke(command)
    assert result.exit_code == 0, result.output
    assert "processor" in result.output
    verdicts = [line.split(maxsplit=2) for line in result.output.splitlines() if line.startswith("target")]
    assert [name for _, name, _ in verdicts] == ["cpu", *BACKENDS.names()]
    assert {name for _, name, verdict in verdicts if verdict == "works here"} >= {"cpu", *CPU_BACKENDS}
