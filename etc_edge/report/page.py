"""A report as one HTML file that needs nothing else: no script, no font, no picture from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import UnsetType

from etc_edge.core.results import Results
from etc_edge.core.sensitivity import Sensitivity
from etc_edge.report.charts import MOST_NAMES, Point, legend, pareto_chart
from etc_edge.report.figures import (
    class_rows,
    column_titles,
    figure_rows,
    load_rows,
    mode_rows,
    stage_rows,
    subject_titles,
    with_references,
)
from etc_edge.report.group_section import group_section
from etc_edge.report.markup import Markup, join, tag
from etc_edge.report.model_section import model_section
from etc_edge.report.subject import Subject
from etc_edge.report.timing import conditions_text, protocol_text
from etc_edge.report.verdict import verdict

MANY_COLUMNS = 6
_STYLE = Path(__file__).with_name("page.css")


def report_page(subjects: Sequence[Subject], title: str, sensitivities: Sequence[Sensitivity] = ()) -> str:
    """The whole page: verdict first, then all models together, then each, then where numbers come from."""
    results = [subject.results for subject in subjects]
    columns = with_references(results)
    names = column_titles(columns)
    body = [
        tag("h1", title),
        tag("p", _compared(results), class_="soft"),
        _verdicts(results),
        tag("h2", "All figures"),
        _table(columns, names),
        _pareto(columns, names),
        *(model_section(*one) for one in zip(subjects, subject_titles(results), strict=True)),
        *(group_section(one) for one in sensitivities),
        tag("h2", "Where the numbers come from"),
        _provenance(columns, names),
    ]
    head = [
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", Markup(_STYLE.read_text(encoding="utf-8"))),
    ]
    return "<!doctype html>\n" + tag("html", tag("head", *head), tag("body", *body), lang="en") + "\n"


def _compared(results: Sequence[Results]) -> str:
    data = list(dict.fromkeys(_data(one) for one in results))
    models = f"{len(results)} model{'s' if len(results) > 1 else ''}"
    reference = any(not isinstance(one.reference, UnsetType) for one in results)
    against = ", each against its FP32 reference with the frames in turn" if reference else ""
    return f"{models} measured on {'; '.join(data)}{against}."


def _data(results: Results) -> str:
    data = results.data
    split = "" if isinstance(data.split, UnsetType) else f" {data.split}"
    clips = "" if isinstance(data.clips, UnsetType) else f" in {data.clips} clip{'s' if data.clips != 1 else ''}"
    return f"{data.name}{split}, {data.frames} frames{clips}"


def _verdicts(results: Sequence[Results]) -> Markup:
    """What became of each model; several stand side by side, each under its name."""
    lists = list(zip(subject_titles(results), map(_verdict, results), strict=True))
    known = [(name, found) for name, found in lists if found]
    if len(results) == 1:
        return join(*(found for _, found in known))
    return tag("div", *(tag("div", tag("h3", name), found, class_="card") for name, found in known), class_="cards")


def _verdict(results: Results) -> Markup:
    items = [tag("li", sentence.text, class_=sentence.kind) for sentence in verdict(results)]
    return tag("ul", *items, class_="verdict") if items else Markup("")


def _table(columns: Sequence[Results], names: Sequence[str]) -> Markup:
    rows = [*figure_rows(columns), *mode_rows(columns), *stage_rows(columns), *load_rows(columns)]
    with_change = any(row.change for row in rows)
    heading = tag(
        "tr", tag("th"), *(tag("th", name) for name in names), *([tag("th", "change")] if with_change else [])
    )
    body = [
        tag(
            "tr",
            tag("td", row.figure),
            *(_cell(value) for value in row.values),
            *([_cell(row.change)] if with_change else []),
        )
        for row in rows
    ]
    note = "In brackets: 95 % intervals, by bootstrap over clips, rounds and blocks of neighbouring frames."
    bracketed = any("[" in value for row in rows for value in row.values)
    return join(
        _wide(columns, heading, *body),
        *([tag("p", note, class_="soft")] if bracketed else []),
        *([_classes_table(columns, names)] if len(columns) > 2 else []),
    )


def _classes_table(columns: Sequence[Results], names: Sequence[str]) -> Markup:
    rows = class_rows(columns)
    if not rows:
        return Markup("")
    heading = tag("tr", tag("th", "IoU by class"), *(tag("th", name) for name in names))
    body = [tag("tr", tag("td", row.figure), *(_cell(value) for value in row.values)) for row in rows]
    return _wide(columns, heading, *body)


def _wide(columns: Sequence[Results], *lines: Markup) -> Markup:
    """A table that scrolls on a narrow screen and is set smaller on paper."""
    return tag("div", tag("table", *lines), class_="wide many" if len(columns) > MANY_COLUMNS else "wide")


def _cell(text: str) -> Markup:
    value, bracket, interval = text.partition(" [")
    return tag("td", value, *([tag("small", bracket.strip() + interval)] if bracket else []))


def _pareto(columns: Sequence[Results], names: Sequence[str]) -> Markup:
    points = [
        Point(name, column.latency_ms.p50, column.accuracy.miou, _tc(column), int(column.bundle.precision != "fp32"))
        for name, column in zip(names, columns, strict=True)
        if not isinstance(column.latency_ms, UnsetType) and not isinstance(column.accuracy, UnsetType)
    ]
    if len(points) < 2:
        return Markup("")
    numbered = len(points) > MOST_NAMES
    chart = tag(
        "div",
        tag("h3", "Speed, accuracy and steadiness"),
        legend(["FP32", "INT8"]),
        pareto_chart(points),
        *([tag("ol", *(tag("li", point.described()) for point in points), class_="soft")] if numbered else []),
        class_="card",
    )
    return tag("div", chart, class_="cards")


def _tc(results: Results) -> float | None:
    if isinstance(results.temporal, UnsetType) or isinstance(results.temporal.tc, UnsetType):
        return None
    return results.temporal.tc


def _provenance(columns: Sequence[Results], names: Sequence[str]) -> Markup:
    rows = []
    for name, column in zip(names, columns, strict=True):
        model, device = column.bundle, column.device
        engine = "" if isinstance(model.target, UnsetType) else model.target
        version = column.versions.get(engine, "")
        threads = "" if isinstance(model.threads, UnsetType) else f"{model.threads} threads"
        flow = column.temporal.flow if not isinstance(column.temporal, UnsetType) else ""
        facts = {
            "bundle": f"{model.name}, SHA-256 {model.sha256}",
            "recipe": "" if isinstance(model.recipe, UnsetType) else _recipe(model.recipe),
            "engine": ", ".join(part for part in (f"{engine} {version}".strip(), threads) if part),
            "machine": f"{device.get('cpu', 'unknown')}, {device.get('cores', '?')} cores, "
            f"{' '.join(map(str, device.get('cpu_flags', [])))}",
            "data": _data(column) + ("" if isinstance(flow, UnsetType) or not flow else f", flow {flow}"),
            "timing": "" if isinstance(column.protocol, UnsetType) else protocol_text(column.protocol),
            "state": "" if isinstance(column.conditions, UnsetType) else conditions_text(column.conditions),
            "versions": ", ".join(f"{package} {number}" for package, number in column.versions.items()),
        }
        facts = {key: value for key, value in facts.items() if value}
        for number, (key, value) in enumerate(facts.items()):
            rows.append(
                tag(
                    "tr",
                    tag("td", name if number == 0 else ""),
                    tag("td", key, class_="key-name"),
                    tag("td", value, class_="text"),
                )
            )
    return tag("div", tag("table", *rows), class_="wide")


def _recipe(steps: Mapping[str, Any]) -> str:
    """What was done step by step, with the settings that say something."""
    return "; ".join(f"{step}: {_settings(found)}" for step, found in steps.items())


def _settings(value: Any) -> str:
    if isinstance(value, Mapping):
        said = {key: one for key, one in value.items() if one not in (None, [], {})}
        return ", ".join(
            f"{key} ({_settings(one)})" if isinstance(one, Mapping) else f"{key} {_settings(one)}"
            for key, one in said.items()
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return " ".join(map(_settings, value))
    return str(value)
