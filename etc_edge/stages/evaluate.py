"""Measure accuracy, steadiness and latency on labelled clips, against a reference in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET, UnsetType

from etc_edge.backends.targets import CPU
from etc_edge.benchmark.model import described_model
from etc_edge.benchmark.pictures import PictureGatherer
from etc_edge.core.environment import device, versions
from etc_edge.core.errors import DatasetError, EtcEdgeError
from etc_edge.core.labels import LabelSet
from etc_edge.core.pictures import check_pictures_folder
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Accuracy, Data, Drop, Results, Temporal
from etc_edge.data.clip import Clip, ClipFrame
from etc_edge.data.dataset import Dataset, open_dataset
from etc_edge.flow.base import Flow, open_flow
from etc_edge.metrics.agreement import Agreement
from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.metrics.intervals import difference_intervals, figure_intervals
from etc_edge.metrics.latency import LatencyHistogram
from etc_edge.metrics.motion import Motion, motion_between
from etc_edge.metrics.samples import FrameSamples, SampleRecorder
from etc_edge.metrics.temporal import TemporalConsistency
from etc_edge.metrics.video_consistency import VideoConsistency
from etc_edge.runtime.segmenter import Segmented, Segmenter

UInt8 = npt.NDArray[np.uint8]

EXACT = "exact"
DEFAULT_FLOW = "dis-medium"
WARM_UP = 3
STAGES = ("preprocess", "infer", "postprocess")


def evaluate(
    model: Path,
    data: str,
    split: str = "val",
    reference: Path | None = None,
    target: str = CPU,
    flow: str | None = None,
    threads: int | None = None,
    frames: int | None = None,
    progress: Progress | None = None,
    pictures: Path | None = None,
) -> Results:
    """Measure a model on the clips of a split.

    Args:
        model: a bundle, or a compiled form.
        data: a data set.
        split: one of its splits.
        reference: another bundle, the FP32 one, measured on the same frames in turn; `drop` is its figure minus ours.
        target: what bundles are compiled for.
        flow: `exact` where the data set knows its motion, or an estimator such as `dis-medium` or `raft:FILE`; None
            takes the first where it can be had.
        threads: processor threads of one inference; None takes all that this process may use.
        frames: stop after so many frames; None takes all.
        progress: told what goes on.
        pictures: a folder for worst frames and flicker maps, which a report shows; None draws none.

    Raises:
        EtcEdgeError: the models, the data and their classes do not fit each other, or a model cannot run here.
    """
    progress = progress or Silent()
    if pictures is not None:
        check_pictures_folder(pictures)
    dataset = open_dataset(data)
    clips = dataset.clips(split)
    estimator = _estimator(clips, flow)
    with ExitStack() as stack:
        segmenters = [
            stack.enter_context(Segmenter.load(path, target, threads, progress))
            for path in ([model] if reference is None else [model, reference])
        ]
        for segmenter in segmenters:
            check_classes(segmenter.label_set, dataset, progress)
        measured = [_Measured(segmenter, dataset.label_set, estimator.name) for segmenter in segmenters]
        titles = tuple(segmenter.compiled.manifest.precision.upper() for segmenter in segmenters)
        if len(set(titles)) < len(titles):
            titles = ("this model", "reference")
        gatherer = None if pictures is None else PictureGatherer(dataset.label_set, titles)
        run = _Run(measured, estimator, progress, gatherer)
        run.over(clips, frames)
    described = Data(
        name=dataset.name, split=split, frames=run.frames, clips=run.clips, labelled_frames=run.labelled_frames
    )
    hashes = [segmenter.compiled.manifest.bundle_hash for segmenter in segmenters]
    if gatherer is not None and pictures is not None:
        gatherer.write(pictures, described, hashes[0], hashes[1] if reference is not None else None)
    ours = measured[0].results(model, described)
    if reference is None:
        return ours
    theirs = measured[1].results(reference, described)
    return with_reference(ours, theirs)


def with_reference(ours: Results, reference: Results) -> Results:
    """Our results with those of the reference of the same run, drops and their intervals."""
    drop = drop_between(reference, ours)
    intervals = {} if isinstance(ours.intervals, UnsetType) else dict(ours.intervals)
    if not isinstance(ours.samples, UnsetType) and not isinstance(reference.samples, UnsetType):
        differences = difference_intervals(FrameSamples.of(reference.samples), FrameSamples.of(ours.samples))
        named = {path.split(".")[1]: interval for path, interval in differences.items()}
        intervals |= {f"drop.{name}": ends for name, ends in named.items() if getattr(drop, name) is not UNSET}
    return msgspec.structs.replace(ours, reference=reference, drop=drop, intervals=intervals or UNSET)


def check_classes(classes: LabelSet, dataset: Dataset, progress: Progress) -> None:
    """Refuse a data set with another number of classes than the model's, and say so where names differ.

    Raises:
        DatasetError: the numbers differ.
    """
    theirs = dataset.label_set
    if len(classes) != len(theirs):
        raise DatasetError(
            f"Found {len(theirs)} classes in {dataset.name}, expected the model's {len(classes)}.",
            "Evaluate on the data set that the model was trained on.",
        )
    differing = [pair for pair in zip(classes.names, theirs.names, strict=True) if pair[0] != pair[1]]
    if differing:
        ours, other = differing[0]
        progress.say(
            f"{len(differing)} of {len(classes)} classes have other names in {dataset.name} than in the model, "
            f"such as {other!r} for {ours!r}: figures mean something only where they stand for the same"
        )


def drop_between(reference: Results, ours: Results) -> Drop:
    """Figures of the reference minus ours, as fractions; absent where either was not measured."""
    drops: dict[str, float] = {}
    for group, names in (("accuracy", ("miou",)), ("temporal", ("tc", "tc_etc", "flicker"))):
        for name in names:
            left, right = (getattr(getattr(results, group), name, UNSET) for results in (reference, ours))
            if left is not UNSET and right is not UNSET:
                drops[name] = left - right
    return Drop(**drops)


def _estimator(clips: Sequence[Clip], name: str | None) -> _Motions:
    known = any(len(clip) > 1 and clip[0].flow_to_next is not None for clip in clips[:1])
    if name == EXACT and not known:
        raise EtcEdgeError("Found no exact flow in this data set.", f"Estimate it: --flow {DEFAULT_FLOW}")
    if name == EXACT or (name is None and known):
        return _Motions(EXACT, None)
    estimator = open_flow(name or DEFAULT_FLOW)
    return _Motions(estimator.name, estimator)


@dataclass
class _Motions:
    """Motion between neighbours: the data set's own, or estimated."""

    name: str
    flow: Flow | None

    def between(self, frame: ClipFrame, following: ClipFrame) -> Motion:
        if self.flow is not None:
            return motion_between(frame.image_rgb, following.image_rgb, self.flow(frame.image_rgb, following.image_rgb))
        assert frame.flow_to_next is not None
        return motion_between(frame.image_rgb, following.image_rgb, frame.flow_to_next, frame.visible_in_next)


@dataclass
class _Measured:
    """One model's running figures."""

    segmenter: Segmenter
    labels: LabelSet
    flow: str
    previous: UInt8 | None = None
    agreement: Agreement | None = None

    def __post_init__(self) -> None:
        self.confusion = ConfusionMatrix(len(self.labels), self.labels.void)
        self.temporal = TemporalConsistency(len(self.labels), self.labels.void)
        self.consistency = VideoConsistency(void=self.labels.void)
        self.total = LatencyHistogram()
        self.stages = {stage: LatencyHistogram() for stage in STAGES}
        self.recorder = SampleRecorder(self.labels.names)

    def begin_clip(self, name: str) -> None:
        self.previous = None
        self.consistency.begin_clip()
        self.recorder.begin_clip(name)

    def add(self, frame: ClipFrame, segmented: Segmented, motion: Motion | None) -> None:
        self.total.add(segmented.latency_ms)
        for stage, histogram in self.stages.items():
            histogram.add(getattr(segmented, f"{stage}_ms"))
        truth = pair = None
        if frame.labels is not None:
            truth = self.confusion.update(segmented.labels, frame.labels)
            self.consistency.update(segmented.labels, frame.labels)
        else:
            self.consistency.begin_clip()
        if motion is not None and self.previous is not None:
            pair = self.temporal.update(self.previous, segmented.labels, motion)
        self.previous = segmented.labels
        self.recorder.add(
            segmented.latency_ms,
            truth,
            None if pair is None else pair.matrix,
            None if pair is None else (pair.changed, pair.same_look),
        )

    def results(self, path: Path, data: Data) -> Results:
        total, samples = self.total.compute(), self.recorder.samples()
        return Results(
            bundle=described_model(path, self.segmenter),
            data=data,
            device=device(),
            versions=versions(),
            accuracy=self._accuracy(data),
            temporal=self._temporal(),
            latency_ms=total,
            stages_ms={stage: histogram.compute() for stage, histogram in self.stages.items()},
            throughput_fps=1e3 / total.mean,
            intervals=figure_intervals(FrameSamples.of(samples)) or UNSET,
            samples=samples,
        )

    def _accuracy(self, data: Data) -> Accuracy | UnsetType:
        return self.confusion.compute(self.labels.names) if data.labelled_frames else UNSET

    def _temporal(self) -> Temporal | UnsetType:
        agreement = UNSET if self.agreement is None else self.agreement.compute()
        if not self.temporal.pairs:
            return UNSET if agreement is UNSET else Temporal(agreement=agreement)
        steadiness, windows = self.temporal.compute(), self.consistency.compute()
        return Temporal(
            flow=self.flow,
            tc=steadiness.tc,
            tc_etc=steadiness.tc_etc,
            flicker=steadiness.flicker,
            vc8=windows.get(8, UNSET),
            vc16=windows.get(16, UNSET),
            agreement=agreement,
        )


class _Run:
    """One pass over clips: every frame through every model, first and last in turn, and motion worked out once."""

    def __init__(
        self, measured: list[_Measured], motions: _Motions, progress: Progress, gatherer: PictureGatherer | None
    ) -> None:
        self.measured, self.motions, self.progress, self.gatherer = measured, motions, progress, gatherer
        self.frames = self.clips = self.labelled_frames = 0
        if len(measured) > 1:
            measured[0].agreement = Agreement()

    def over(self, clips: Sequence[Clip], limit: int | None) -> None:
        total = sum(len(clip) for clip in clips)
        with self.progress.task("evaluating", total if limit is None else min(total, limit)) as task:
            for clip in clips:
                if limit is not None and self.frames >= limit:
                    break
                self.clips += 1
                for model in self.measured:
                    model.begin_clip(clip.name)
                if self.gatherer is not None:
                    self.gatherer.begin_clip(clip.name)
                previous: ClipFrame | None = None
                for index in range(len(clip) if limit is None else min(len(clip), limit - self.frames)):
                    frame = clip[index]
                    if self.frames == 0:
                        self._warm_up(frame)
                    self._add(frame, previous)
                    previous = frame
                    task.advance()

    def _warm_up(self, frame: ClipFrame) -> None:
        for model in self.measured:
            for _ in range(WARM_UP):
                model.segmenter(frame.image_rgb)

    def _add(self, frame: ClipFrame, previous: ClipFrame | None) -> None:
        # Who goes first changes with every frame, and the flow is worked out between the two, so that neither
        # model always finds the other's memory in the cache or its threads still turning.
        order = self.measured if self.frames % 2 == 0 else self.measured[::-1]
        segmented = {id(order[0]): order[0].segmenter.segment(frame.image_rgb)}
        motion = None if previous is None else self.motions.between(previous, frame)
        for model in order[1:]:
            segmented[id(model)] = model.segmenter.segment(frame.image_rgb)
        if self.gatherer is not None:
            labels = [segmented[id(model)].labels for model in self.measured]
            self.gatherer.add(frame, labels, [model.previous for model in self.measured], motion)
        for model in self.measured:
            model.add(frame, segmented[id(model)], motion)
        agreement = self.measured[0].agreement
        if agreement is not None:
            ours, theirs = (segmented[id(model)].labels for model in self.measured)
            agreement.update(ours, theirs)
        self.frames += 1
        self.labelled_frames += frame.labels is not None
