"""Results as a Markdown table, one row a model: what README shows."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UnsetType

from etc_edge.core.results import Results
from etc_edge.report.figures import with_references

_HEADINGS = (
    "model",
    "mIoU",
    "tc",
    "tc_etc",
    "flicker",
    "agreement",
    "ms (p50)",
    "frames/s",
    "model bytes",
    "engine",
)


def results_markdown(results: Sequence[Results]) -> str:
    """A table of accuracy, steadiness and speed; every model stands behind its reference.

    Fractions are shown in percent; a figure that was not measured is left empty.
    """
    rows = [_HEADINGS, ("---", *["---:"] * (len(_HEADINGS) - 2), "---")]
    rows += [_row(column) for one in results for column in with_references(one)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _row(results: Results) -> tuple[str, ...]:
    accuracy, temporal, latency = results.accuracy, results.temporal, results.latency_ms
    model = results.bundle
    name = model.name.removesuffix(f"-{model.precision}")
    steadiness: tuple[str, ...] = ("", "", "", "")
    if not isinstance(temporal, UnsetType):
        steadiness = tuple(
            _percent(value) for value in (temporal.tc, temporal.tc_etc, temporal.flicker, temporal.agreement)
        )
    return (
        f"{name} {model.precision.upper()}",
        "" if isinstance(accuracy, UnsetType) else _percent(accuracy.miou),
        *steadiness,
        "" if isinstance(latency, UnsetType) else f"{latency.p50:.1f}",
        "" if isinstance(results.throughput_fps, UnsetType) else f"{results.throughput_fps:.1f}",
        f"{model.model_bytes:,}",
        "" if isinstance(model.target, UnsetType) else model.target,
    )


def _percent(value: float | UnsetType) -> str:
    return "" if isinstance(value, UnsetType) else f"{value:.2%}"
