from __future__ import annotations

import io

from rich.console import Console

from etc_edge.core.gate import GateOutcome
from etc_edge.metrics.comparison import Change
from etc_edge.report.changes import change_cells, changes_markdown, print_changes, print_gates

CHANGES = [
    Change("accuracy.miou", 0.681, 0.678, (-0.005, -0.001), "worse"),
    Change("latency_ms.p50", 20.0, 15.0, (-6.0, -4.0), "better"),
    Change("bundle.model_bytes", 2_500_000, 2_500_001, (1, 1), "worse"),
    Change("temporal.vc8", 0.9, 0.91, None, "unknown"),
]


def test_fractions_change_in_points_and_others_by_a_ratio() -> None:
    assert [change_cells(change) for change in CHANGES] == [
        ("accuracy.miou", "68.10%", "67.80%", "-0.30 [-0.50, -0.10]", "worse"),
        ("latency_ms.p50", "20.00", "15.00", "-5.00 (×0.75) [-6.00, -4.00]", "better"),
        ("bundle.model_bytes", "2,500,000", "2,500,001", "+1.00 (×1.00)", "worse"),
        ("temporal.vc8", "90.00%", "91.00%", "+1.00", "unknown"),
    ]


def test_markdown_has_a_row_a_figure() -> None:
    lines = changes_markdown(CHANGES).splitlines()
    assert len(lines) == 2 + len(CHANGES)
    assert len({line.count("|") for line in lines}) == 1


def test_a_terminal_of_eighty_columns_is_enough() -> None:
    output = io.StringIO()
    console = Console(file=output, width=80, highlight=False)
    print_changes(CHANGES, ["threads differs: 1 before, 2 now"], console)
    print_gates([GateOutcome("drop.tc > 0", True, {"drop.tc": 0.25}), GateOutcome("1 > 2", False, {})], console)
    text = output.getvalue()
    assert "…" not in text
    assert "[-0.50, -0.10]" in text
    assert "threads differs" in text
    assert "unknown: measured once" in text
    assert "fails  drop.tc > 0: drop.tc is 0.25\n" in text
    assert "holds  1 > 2\n" in text
