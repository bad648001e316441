"""The figures of results as text, side by side: what is shown, in which unit, and how a change is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from etc_edge.core.results import Results
from etc_edge.report.timing import MODES, load_cells

Read = Callable[[Results], "float | UnsetType"]


@dataclass(frozen=True)
class Row:
    """One figure of every column; a value is empty where it was not measured.

    `change` compares the second column with the first, and is empty when there are not two.
    """

    figure: str
    values: tuple[str, ...]
    change: str


@dataclass(frozen=True)
class _Figure:
    title: str
    read: Read
    show: Callable[[float], str]
    compare: Callable[[float, float], str]
    path: str = ""


def with_references(results: Results | Sequence[Results]) -> list[Results]:
    """Results in the order of columns: each behind its reference, a reference of several only once."""
    several = [results] if isinstance(results, Results) else list(results)
    columns: list[Results] = []
    for one in several:
        for column in ([] if isinstance(one.reference, UnsetType) else [one.reference]) + [one]:
            if column not in columns:
                columns.append(column)
    return columns


def figure_rows(columns: Sequence[Results]) -> list[Row]:
    """Every figure that at least one of the results holds; fractions in percent, bytes in MB."""
    return [row for figure in _FIGURES if (row := _row(figure, columns)) is not None]


def class_rows(columns: Sequence[Results]) -> list[Row]:
    """Intersection over union of every class, in the order of the first results that hold it."""
    names: dict[str, None] = {}
    for column in columns:
        if not isinstance(column.accuracy, UnsetType):
            names.update(dict.fromkeys(column.accuracy.iou))
    rows = (_row(_Figure(name, _class_reader(name), _percent, _points), columns) for name in names)
    return [row for row in rows if row is not None]


def stage_rows(columns: Sequence[Results]) -> list[Row]:
    """Median milliseconds of every stage of the way of a frame."""
    names: dict[str, None] = {}
    for column in columns:
        if not isinstance(column.stages_ms, UnsetType):
            names.update(dict.fromkeys(column.stages_ms))
    if any(not isinstance(column.modes_ms, UnsetType) and "copies" in column.modes_ms for column in columns):
        # The same figure stands there as the mode with copies.
        names.pop("infer", None)
    rows = (_row(_Figure(f"{name} p50, ms", _stage_reader(name), _number, _ratio), columns) for name in names)
    return [row for row in rows if row is not None]


def mode_rows(columns: Sequence[Results]) -> list[Row]:
    """Median milliseconds of the network alone, with copies, and with decoding."""
    rows = (
        _row(_Figure(f"{title} p50, ms", _mode_reader(name), _number, _ratio), columns) for name, title in MODES.items()
    )
    return [row for row in rows if row is not None]


def load_rows(columns: Sequence[Results]) -> list[Row]:
    """Figures by the clock and of several engines at once, as text."""
    cells = [load_cells(column) for column in columns]
    names = dict.fromkeys(name for one in cells for name in one)
    return [Row(name, tuple(one.get(name, "") for one in cells), "") for name in names]


def column_titles(columns: Sequence[Results]) -> list[str]:
    """A short name for every column: its precision, and its engine or model where those tell columns apart."""
    models = [column.bundle for column in columns]
    # `street` and `street-int8` are one model in two precisions, which the titles tell anyway.
    names = [model.name.removesuffix(f"-{model.precision}") for model in models]
    several_models = len(set(names)) > 1
    several_targets = len({model.target for model in models}) > 1
    titles = []
    for name, model in zip(names, models, strict=True):
        parts = [name] if several_models else []
        parts.append(model.precision.upper())
        if several_targets and not isinstance(model.target, UnsetType):
            parts.append(model.target)
        titles.append(" ".join(parts))
    return _told_apart(titles, columns)


def subject_titles(results: Sequence[Results]) -> list[str]:
    """The name of each bundle, with its engine and the beginning of its hash where those tell results apart."""
    names = [one.bundle.name for one in results]
    titles = [
        name if names.count(name) == 1 or isinstance(one.bundle.target, UnsetType) else f"{name} {one.bundle.target}"
        for name, one in zip(names, results, strict=True)
    ]
    return _told_apart(titles, results)


def _told_apart(titles: Sequence[str], columns: Sequence[Results]) -> list[str]:
    hashes: dict[str, set[str]] = {}
    for title, column in zip(titles, columns, strict=True):
        hashes.setdefault(title, set()).add(column.bundle.sha256)
    return [
        f"{title} #{column.bundle.sha256[:6]}" if len(hashes[title]) > 1 else title
        for title, column in zip(titles, columns, strict=True)
    ]


def _row(figure: _Figure, columns: Sequence[Results]) -> Row | None:
    found = [figure.read(column) for column in columns]
    if all(isinstance(value, UnsetType) for value in found):
        return None
    values = tuple(
        "" if isinstance(value, UnsetType) else figure.show(value) + _interval(figure, column)
        for value, column in zip(found, columns, strict=True)
    )
    change = ""
    if len(found) == 2 and not isinstance(found[0], UnsetType) and not isinstance(found[1], UnsetType):
        change = figure.compare(found[0], found[1])
        if columns[1].reference == columns[0]:
            change += _change_interval(figure, columns[1])
    return Row(figure.title, values, change)


def _interval(figure: _Figure, results: Results) -> str:
    """The 95 % interval of a figure, where it was worked out."""
    if isinstance(results.intervals, UnsetType) or figure.path not in results.intervals:
        return ""
    low, high = results.intervals[figure.path]
    return f" [{figure.show(low).rstrip('%')}, {figure.show(high).rstrip('%')}]"


def _change_interval(figure: _Figure, results: Results) -> str:
    """The interval of ours − reference, which is that of the drop the other way round."""
    path = f"drop.{figure.path.rpartition('.')[2]}"
    if isinstance(results.intervals, UnsetType) or path not in results.intervals:
        return ""
    low, high = results.intervals[path]
    return f" [{_points(0, -high)}, {_points(0, -low)}]"


def _figure(title: str, path: str, show: Callable[[float], str], compare: Callable[[float, float], str]) -> _Figure:
    group, _, name = path.partition(".")
    return _Figure(title, _reader(group, name), show, compare, path)


def _reader(group: str, name: str) -> Read:
    """Read `results.GROUP.NAME`."""

    def read(results: Results) -> float | UnsetType:
        found = getattr(results, group)
        return UNSET if isinstance(found, UnsetType) else _as_figure(getattr(found, name))

    return read


def _class_reader(name: str) -> Read:
    def read(results: Results) -> float | UnsetType:
        return UNSET if isinstance(results.accuracy, UnsetType) else results.accuracy.iou.get(name, UNSET)

    return read


def _stage_reader(name: str) -> Read:
    def read(results: Results) -> float | UnsetType:
        if isinstance(results.stages_ms, UnsetType) or name not in results.stages_ms:
            return UNSET
        return results.stages_ms[name].p50

    return read


def _mode_reader(name: str) -> Read:
    def read(results: Results) -> float | UnsetType:
        if isinstance(results.modes_ms, UnsetType) or name not in results.modes_ms:
            return UNSET
        return results.modes_ms[name].p50

    return read


def _as_figure(value: object) -> float | UnsetType:
    return float(value) if isinstance(value, (int, float)) else UNSET


def _percent(value: float) -> str:
    return f"{value:.2%}"


def _number(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _megabytes(value: float) -> str:
    return f"{value / 1e6:.2f} MB"


def _points(before: float, after: float) -> str:
    return f"{(after - before) * 100:+.2f}"


def _ratio(before: float, after: float) -> str:
    return "" if before == 0 else f"×{after / before:.2f}"


_FIGURES = (
    _figure("mIoU", "accuracy.miou", _percent, _points),
    _figure("pixel accuracy", "accuracy.pixel_accuracy", _percent, _points),
    _figure("tc (temporal consistency)", "temporal.tc", _percent, _points),
    _figure("tc_etc (ETC's procedure)", "temporal.tc_etc", _percent, _points),
    _figure("flicker", "temporal.flicker", _percent, _points),
    _figure("vc8", "temporal.vc8", _percent, _points),
    _figure("vc16", "temporal.vc16", _percent, _points),
    _figure("agreement with the reference", "temporal.agreement", _percent, _points),
    _figure("latency mean, ms", "latency_ms.mean", _number, _ratio),
    _figure("latency p50, ms", "latency_ms.p50", _number, _ratio),
    _figure("latency p99, ms", "latency_ms.p99", _number, _ratio),
    _figure("times the yardstick", "yardstick.relative", _number, _ratio),
    _Figure("frames per second", lambda results: results.throughput_fps, _number, _ratio),
    _figure("model size", "bundle.model_bytes", _megabytes, _ratio),
    _Figure("peak memory", lambda results: _as_figure(results.peak_memory_bytes), _megabytes, _ratio),
    _figure("memory of the engine", "memory.engine_bytes", _megabytes, _ratio),
    _figure("memory of each further stream", "memory.per_stream_bytes", _megabytes, _ratio),
    _Figure("energy a frame, J", lambda results: results.energy_j_per_frame, _number, _ratio),
)
