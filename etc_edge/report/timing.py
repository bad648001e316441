"""Timings of results as text: modes, loads, and how and under what conditions they were measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import UnsetType

from etc_edge.core.results import AtRate, Conditions, Protocol, Results, Scaling

BUSY_SHARE = 0.05
"""A machine whose cores others use for more than this share of the time gives no milliseconds to rely on."""

MODES = {"engine": "network alone", "copies": "with copies", "end_to_end": "decoding included"}


def load_cells(results: Results) -> dict[str, str]:
    """What a model did by the clock and several at once, a line each: what was measured, and the figures."""
    found = {}
    rates: Mapping[str, AtRate] = {} if isinstance(results.at_rate, UnsetType) else results.at_rate
    for rate, one in rates.items():
        dropped = f", {one.dropped} of {one.frames} dropped" if one.dropped else ""
        latency = one.latency_ms
        found[f"at {rate} fps"] = f"p50 {latency.p50:.1f}, p99 {latency.p99:.1f} ms{dropped}"
    scaling: Mapping[str, Scaling] = {} if isinstance(results.scaling, UnsetType) else results.scaling
    for several in scaling.values():
        what = f"{_count(several.streams, 'stream')} of {_count(several.threads, 'thread')}"
        found[what] = f"{several.throughput_fps:.1f} fps, p50 {several.latency_ms.p50:.1f} ms"
    return found


def condition_lines(columns: Sequence[Results], titles: Sequence[str]) -> list[str]:
    """How columns of these titles were timed and what the machine did meanwhile, each sentence once."""
    lines: dict[str, None] = {}
    protocols = [
        (title, column.protocol)
        for title, column in zip(titles, columns, strict=True)
        if not isinstance(column.protocol, UnsetType)
    ]
    for title, protocol in protocols:
        whose = f"{title}: " if len(protocols) > 1 else ""
        lines[f"timing   {whose}{protocol_text(protocol)}"] = None
    for column in columns:
        if not isinstance(column.yardstick, UnsetType):
            stick = column.yardstick
            lines[f"beside   the yardstick {stick.name} on {stick.engine}: p50 {stick.latency_ms.p50:.2f} ms"] = None
        if not isinstance(column.conditions, UnsetType):
            lines[f"state    {conditions_text(column.conditions)}"] = None
            if note := busy_note(column.conditions):
                lines[f"note     {note}"] = None
    return list(lines)


def protocol_text(protocol: Protocol) -> str:
    """Rounds, turns, and how precise it became."""
    known = [f"{path.rpartition('.')[2]} ±{share:.1%}" for path, share in protocol.precision.items()]
    text = f"{_count(protocol.rounds, 'round')} of {_count(protocol.frames, 'frame')}"
    text += f", {protocol.interleaved} in turns" if protocol.interleaved > 1 else ""
    text += f"; {', '.join(known)}" if known else ""
    if protocol.reached:
        return text
    asked = ", ".join(f"{path.rpartition('.')[2]} ±{share:.1%}" for path, share in protocol.asked.items())
    return f"{text}; asked for {asked}: time was up first (--at-most)"


def conditions_text(conditions: Conditions) -> str:
    """What the machine told, in words."""
    words = [f"{conditions.seconds:g} s"]
    for value, text in (
        (conditions.others_share, "others took {:.0%} of the cores"),
        (conditions.waiting_share, "someone waited for a core {:.0%} of the time"),
        (conditions.load_average, "load {:.2f}"),
        (conditions.governor, "governor {}"),
        (conditions.frequency_mhz, "{:.0f} MHz"),
        (conditions.temperature_c, "{:.0f} °C"),
        (conditions.power_mode, "power mode {}"),
    ):
        if not isinstance(value, UnsetType):
            words.append(text.format(value))
    return ", ".join(words)


def busy_note(conditions: Conditions) -> str | None:
    """A warning where others took more of the machine, or heat slowed it more, than milliseconds stand."""
    found = []
    if not isinstance(conditions.others_share, UnsetType) and conditions.others_share > BUSY_SHARE:
        found.append(f"other processes took {conditions.others_share:.0%} of the cores")
    if not isinstance(conditions.steal_share, UnsetType) and conditions.steal_share > BUSY_SHARE:
        found.append(f"the hypervisor took {conditions.steal_share:.0%} of the cores")
    if not isinstance(conditions.throttled, UnsetType) and conditions.throttled:
        found.append(f"heat slowed cores down, counted {conditions.throttled} times")
    return f"{' and '.join(found)}: rely on ratios, not on milliseconds" if found else None


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
