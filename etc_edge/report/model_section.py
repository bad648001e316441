"""One model of a report: its charts beside its reference's, and pictures of where the two differ."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from etc_edge.core.pictures import FlickerMap, FlickerVideo, Pictures, WorstFrame
from etc_edge.core.results import Results
from etc_edge.metrics.intervals import mean_iou
from etc_edge.metrics.samples import FrameSamples
from etc_edge.report.axes import padded
from etc_edge.report.charts import dot_chart, histogram_chart, legend, stage_chart, time_chart
from etc_edge.report.figures import column_titles, with_references
from etc_edge.report.markup import Markup, join, tag, void
from etc_edge.report.subject import Subject

Float = npt.NDArray[np.float64]

_KINDS = {".jpg": "image/jpeg", ".png": "image/png", ".mp4": "video/mp4"}
MOST_CLIPS = 24


def model_section(subject: Subject, title: str) -> Markup:
    """Charts and pictures of a model under its title; what was not measured is left out."""
    columns = with_references(subject.results)
    titles = column_titles(columns)
    samples = [None if isinstance(one.samples, UnsetType) else FrameSamples.of(one.samples) for one in columns]
    known = [one for one in samples if one is not None]
    cards = [
        _classes(columns, titles),
        *(_steadiness(known, titles) if len(known) == len(columns) else []),
        _stages(columns, titles),
        _latencies(known, titles) if len(known) == len(columns) else None,
    ]
    shown = [card for card in cards if card is not None]
    pictures = [] if subject.pictures is None else _pictures(subject.pictures, subject.folder)
    if not shown and not pictures:
        return Markup("")
    return join(tag("h2", title), tag("div", *shown, class_="cards"), *pictures)


def _card(title: str, titles: Sequence[str], chart: Markup, note: str = "") -> Markup:
    keys = [legend(titles)] if titles else []
    notes = [tag("p", note, class_="soft")] if note else []
    return tag("div", tag("h3", title), *keys, chart, *notes, class_="card")


def _classes(columns: Sequence[Results], titles: Sequence[str]) -> Markup | None:
    accuracies = [column.accuracy for column in columns]
    if any(isinstance(accuracy, UnsetType) for accuracy in accuracies):
        return None
    known = [accuracy.iou for accuracy in accuracies if not isinstance(accuracy, UnsetType)]
    names = dict.fromkeys(name for iou in known for name in iou)
    return _card(
        "Accuracy by class (IoU)",
        titles,
        dot_chart(titles, {name: [iou.get(name) for iou in known] for name in names}, "IoU"),
    )


def _steadiness(samples: Sequence[FrameSamples], titles: Sequence[str]) -> list[Markup]:
    series = [_of_pairs(one) for one in samples]
    if any(np.isnan(one).all() for one in series):
        return []
    lengths = samples[0].clip_frames
    starts = [int(start) for start in np.cumsum([0, *lengths[:-1]])]
    what = "Temporal consistency of neighbours"
    note = "Mean IoU between each frame and the one before, brought back along the flow; dotted lines part clips."
    cards = [_card("Steadiness over time", titles, time_chart(titles, series, starts, what), note)]
    if 1 < len(lengths) <= MOST_CLIPS:
        by_clip = {name: [_of_clip(one, number) for one in samples] for number, name in enumerate(samples[0].clips)}
        cards.append(_card("Steadiness by clip (tc)", titles, dot_chart(titles, by_clip, "tc", _around(by_clip))))
    return cards


def _around(rows: Mapping[str, Sequence[float | None]]) -> tuple[float, float]:
    """Ends of an axis on which the rows' differences can be seen."""
    low, high = padded([value for values in rows.values() for value in values if value is not None], 0.15, 0.02)
    return max(0.0, low), min(1.0, high)


def _of_pairs(samples: FrameSamples) -> Float:
    return mean_iou(samples.steadiness.reshape(len(samples.steadiness), -1))


def _of_clip(samples: FrameSamples, number: int) -> float | None:
    begin = sum(samples.clip_frames[:number])
    sums = samples.steadiness[begin : begin + samples.clip_frames[number]].sum(0)
    value = float(mean_iou(sums.reshape(1, -1))[0])
    return None if np.isnan(value) else value


def _latencies(samples: Sequence[FrameSamples], titles: Sequence[str]) -> Markup | None:
    if any(len(one.latency_ms) < 2 for one in samples):
        return None
    note = "Dashed: medians. Frames off the right edge are counted, none is left out of the figures."
    return _card("Latency", titles, histogram_chart(titles, [one.latency_ms for one in samples]), note)


def _stages(columns: Sequence[Results], titles: Sequence[str]) -> Markup | None:
    stages = [column.stages_ms for column in columns]
    known = [{name: figure.p50 for name, figure in one.items()} for one in stages if not isinstance(one, UnsetType)]
    if len(known) < len(columns):
        return None
    return _card("Where the time goes (p50)", [], stage_chart(titles, known))


def _pictures(pictures: Pictures, folder: Path) -> list[Markup]:
    parts: list[Markup] = []
    paired = not isinstance(pictures.reference_sha256, UnsetType)
    if pictures.flicker:
        why = "the reference keeps its own" if paired else "the picture stays the same"
        text = f"Where labels flip from one frame to the next although {why}; the redder, the more often."
        maps = [_map(one, folder) for one in pictures.flicker]
        parts += [tag("h3", "Flicker maps"), tag("p", text, class_="soft"), tag("div", *maps, class_="maps")]
    if not isinstance(pictures.video, UnsetType):
        parts.append(_video(pictures.video, folder))
    if pictures.worst:
        parts.append(tag("h3", "Worst frames"))
        parts.append(_difference_keys(paired))
        parts += [_frame(one, folder, paired) for one in pictures.worst]
    return parts


def _difference_keys(paired: bool) -> Markup:
    keys = {"lost": "the model is wrong where the reference is right", "won": "the other way round"}
    keys["other"] = "both are wrong, or the truth is not known"
    if not paired:
        keys = {"lost": "the model is wrong"}
    pairs = (tag("span", tag("i", class_=f"key {key}"), text) for key, text in keys.items())
    return tag("p", *pairs, "(drawn larger than they are)", class_="legend")


def _map(one: FlickerMap, folder: Path) -> Markup:
    return tag(
        "figure", _image(folder / one.file, one.clip), tag("figcaption", f"{one.clip}: {one.share:.2%} of pixels")
    )


def _video(one: FlickerVideo, folder: Path) -> Markup:
    """Plays when the reader asks, never by itself; paper shows the poster."""
    reference, model = one.titles
    text = (
        f"{reference} left, {model} right: labels above, flips from one frame to the next below; red where the other "
        f"model keeps its label, amber where both flip."
    )
    what = f"{reference} and {model} side by side"
    player = tag(
        "video",
        controls="",
        muted="",
        playsinline="",
        preload="metadata",
        poster=_data_url(folder / one.poster),
        src=_data_url(folder / one.file),
        aria_label=what,
    )
    _image(folder / one.poster, what, class_="paper")
    shares = ", ".join(f"{title} flips {share:.2%}" for title, share in zip(one.titles, one.flips, strict=True))
    caption = (
        f"{one.clip}, frames {one.first} to {one.first + one.frames - 1}, shown at {one.fps:g} a second: {shares} of "
        "the pixels that keep their looks. Playing again and in a loop: the player's own menu (right click)."
    )
    figure = tag("figure", player, _image(folder / one.poster, what, class_="paper"), tag("figcaption", caption))
    title = tag("h3", f"{reference} and {model}, where {model} flickers most")
    return tag("div", title, tag("p", text, class_="soft"), figure, class_="film")


def _frame(one: WorstFrame, folder: Path, paired: bool) -> Markup:
    figures = [
        tag("figure", _image(folder / file, title), tag("figcaption", title)) for title, file in one.files.items()
    ]
    other = "the reference" if paired else "the truth"
    text = f"{one.clip}, frame {one.index}: {one.differing:.2%} of the pixels differ from {other}."
    return tag("div", tag("p", text), tag("div", *figures, class_="strip"), class_="worst")


def _image(path: Path, description: str, **attributes: str) -> Markup:
    # Not lazy: what lies below the screen would be missing on paper.
    return void("img", src=_data_url(path), alt=description, **attributes)


def _data_url(path: Path) -> str:
    return f"data:{_KINDS[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
