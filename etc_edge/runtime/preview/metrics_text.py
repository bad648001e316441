"""What a preview knows of a run in Prometheus' text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from etc_edge.runtime.preview.board import Board
from etc_edge.runtime.preview.view import View

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]
Sample = tuple[str, Labels, float]


def metrics_text(board: Board, clients: int) -> str:
    """Everything, as Prometheus scrapes it; what is not known yet is left out.

    Args:
        board: of the run.
        clients: how many look at it.
    """
    views, facts = board.views, board.facts
    names = {"model": facts.model, "backend": facts.backend}
    parts = [
        _family("info", "gauge", "The model that runs.", [("", names, 1)]),
        _family("frames_total", "counter", "Frames labelled.", _each(views, lambda view: view.frames)),
        _family("dropped_frames_total", "counter", "Frames not waited for.", _each(views, lambda view: view.dropped)),
        _family("frames_per_second", "gauge", "Frames labelled in the last second.", _point(views, "fps")),
        _family("latency_seconds", "summary", "From a frame in hand to its labels in hand.", _latency(views)),
        _family("tc_ratio", "gauge", "Running temporal consistency.", _each(views, lambda view: view.running.tc)),
        _family(
            "flicker_ratio", "gauge", "Running share of pixels that flicker.", _each(views, lambda v: v.running.flicker)
        ),
        _family(
            "disagreement_ratio",
            "gauge",
            "Running share of pixels with another label than the shadow model's.",
            _each(views, lambda view: view.disagreement),
        ),
        _family("compared_frames_total", "counter", "Frames the shadow labelled.", _each(views, lambda v: v.compared)),
        _family("class_share_ratio", "gauge", "Share of the newest picture that a class has.", _shares(views)),
        _family("stream_healthy", "gauge", "0 when frozen or failed.", _each(views, lambda view: float(view.healthy))),
        _family("preview_clients", "gauge", "Viewers.", [("", {}, clients)]),
    ]
    return "".join(parts)


def _family(name: str, kind: str, text: str, samples: Sequence[Sample]) -> str:
    if not samples:
        return ""
    full = f"etc_edge_{name}"
    lines = [f"# HELP {full} {text}", f"# TYPE {full} {kind}"]
    for suffix, labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(word)}"' for key, word in labels.items())
        lines.append(f"{full}{suffix}{{{pairs}}} {value!r}" if pairs else f"{full}{suffix} {value!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _of(view: View) -> Labels:
    return {"stream": str(view.number + 1), "source": view.name}


def _each(views: Sequence[View], value: Callable[[View], float | None]) -> list[Sample]:
    found = ((view, value(view)) for view in views)
    return [("", _of(view), number) for view, number in found if number is not None]


def _point(views: Sequence[View], name: str) -> list[Sample]:
    return _each(views, lambda view: None if view.history.newest is None else getattr(view.history.newest, name))


def _latency(views: Sequence[View]) -> list[Sample]:
    def samples(view: View) -> Iterator[Sample]:
        newest = view.history.newest
        latencies = () if newest is None else (("0.5", newest.p50_ms), ("0.99", newest.p99_ms))
        for quantile, ms in latencies:
            if ms is not None:
                yield "", {**_of(view), "quantile": quantile}, ms / 1e3
        yield "_sum", _of(view), view.latency_sum_ms / 1e3
        yield "_count", _of(view), view.frames

    return [sample for view in views for sample in samples(view)]


def _shares(views: Sequence[View]) -> list[Sample]:
    return [
        ("", {**_of(view), "class": name}, share)
        for view in views
        if view.newest is not None
        for name, share in zip(view.label_set.names, view.shares(), strict=True)
    ]
