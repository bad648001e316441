"""From an FP32 bundle to the INT8 bundle that costs least effort and holds a budget of accuracy and steadiness."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.backends.targets import check_target
from etc_edge.core.bundle import Bundle, BundleContents, check_bundle_path, write_bundle
from etc_edge.core.errors import BundleError, CalibrationError, DatasetError, GraphError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Results
from etc_edge.core.shipped import find_shipped
from etc_edge.data.clip import Clip
from etc_edge.data.dataset import Dataset, choose_split, open_dataset
from etc_edge.data.neighbours import pick_neighbours
from etc_edge.data.overlap import shared_frames, split_digests
from etc_edge.data.sampling import FrameKeys, listed_frames, load_list, sample_list, without_frames
from etc_edge.flow.base import open_flow
from etc_edge.metrics.examination import Examination, prepare
from etc_edge.quantization.budget_steps import RECIPE_STEPS, GroupLoss, changed_recipe, float_order
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.quantization.search import Budget, Found, Measured, Rung, Skipped, Step, search
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.evaluate import DEFAULT_FLOW, check_classes, evaluate
from etc_edge.stages.quantize import quantize
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.stages.sensitivity import sensitivity

HELD_BACK_FRAMES, HELD_BACK_BLOCKS, HELD_BACK_SHARE = 80, 8, 0.25
"""Frames that attempts are measured on, in how many runs of neighbours, and the most of a split that they may be."""

SENSITIVITY_FRAMES = 60
FINETUNING = "fine-tuning"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An INT8 network to be made: a recipe, operators that go back to float on top of it, and whether it is tuned."""

    recipe: QuantizeRecipe
    back_to_float: tuple[str, ...] = ()
    tuned: bool = False


@dataclass(frozen=True)
class BudgetReport:
    """What became of a search.

    Args:
        bundle: what was written; None where nothing was.
        found: the attempts and the one that was chosen.
        reference: `miou` and `tc` of the float network on the frames that were held back, as fractions.
        held_back: how many frames those are, moved copies of stills included.
        split: the split that was looked at in the end; None where none was.
        results: what was seen there, beside the float network; None where nothing was looked at.
        shared: how many of its frames had been tuned on, where that was allowed.
    """

    bundle: Bundle | None
    found: Found[Candidate]
    reference: dict[str, float]
    held_back: int
    split: str | None = None
    results: Results | None = None
    shared: int = 0


def quantize_within(
    bundle: Path,
    out: Path,
    recipe: WholeQuantizeRecipe,
    data: str,
    budget: Budget,
    target: str = "cpu",
    report_split: str | None = None,
    frames: int = HELD_BACK_FRAMES,
    keep_best: bool = False,
    allow_overlap: bool = False,
    finetuning: bool = True,
    progress: Progress | None = None,
) -> BudgetReport:
    """Calibrate, and while a budget is broken change more: observer, scales, biases, weights, groups back to float.

    Every attempt is compiled for the target and measured with its engine on frames of the calibration's split that
    nothing is tuned on. Another split is looked at once, when all is decided.

    Args:
        bundle: an FP32 bundle.
        out: the bundle to write, `NAME.etc`; written only when the budget holds, or with `keep_best`.
        recipe: what is tried first; its section `finetune` is how the network is fine-tuned when that has its turn.
        data: a data set to calibrate, tune and measure on.
        budget: what is allowed, in points.
        target: whose grid is used and whose engine measures.
        report_split: looked at once in the end; None takes `val` where the data set has it.
        frames: how many to hold back, at most a quarter of the split.
        keep_best: write what breaks the budget least where nothing holds it.
        allow_overlap: look at the reporting split although frames of it were tuned on.
        finetuning: whether that is tried.
        progress: told what goes on.

    Raises:
        DatasetError: a figure of the budget cannot be measured on this data, or frames that would be reported are
            among those that are tuned on.
        EtcEdgeError: see `quantize`, `evaluate` and `sensitivity`.
    """
    progress = progress or Silent()
    check_bundle_path(out)
    check_target(target)
    if out.resolve() == bundle.resolve():
        raise BundleError(f"Found {out} as the bundle to read and to write.", "Choose another --out.")
    if not budget.limits():
        raise CalibrationError("Found no budget.", "Name one with --max-miou-drop or --max-tc-drop.")
    source, dataset = Bundle.open(bundle), open_dataset(data)
    check_classes(source.labels, dataset, progress)
    frames_of = _Frames.split_up(dataset, recipe, report_split, frames)
    shared = frames_of.check_calibration(recipe, allow_overlap, progress)
    progress.say("reading frames that are held back")
    examination = prepare(frames_of.held_back, dataset.label_set, open_flow(DEFAULT_FLOW))
    with tempfile.TemporaryDirectory(prefix="etc-edge-budget-") as folder:
        work = _Work(bundle, data, target, recipe, frames_of, examination, Path(folder), allow_overlap, progress)
        _check_measurable(budget, work.reference, dataset)
        start = Rung("the recipe", Candidate(recipe=_plain(recipe)))
        steps = work.steps(finetuning)
        found = search(start, steps, work.evaluate, budget)
        if not found.holds and not keep_best:
            return BudgetReport(None, found, work.reference, len(examination.shots))
        made, results = work.made(found.candidate).path, None
        if frames_of.report_split is not None:
            progress.say(f"looking at {frames_of.report_split}, once")
            results = evaluate(made, data, frames_of.report_split, bundle, target, progress=progress)
        report = BudgetReport(
            None, found, work.reference, len(examination.shots), frames_of.report_split, results,
            max(shared, work.shared),
        )  # fmt: skip
        written = _write(out, Bundle.open(made), _recorded(budget, report, dataset, frames_of, target))
    return replace(report, bundle=written)


@dataclass(frozen=True)
class _Frames:
    """Which frames serve for what."""

    dataset: Dataset
    split: str
    held_back: Sequence[Clip]
    keys: FrameKeys
    report_split: str | None

    @classmethod
    def split_up(cls, dataset: Dataset, recipe: QuantizeRecipe, report_split: str | None, frames: int) -> _Frames:
        wanted = recipe.calibration
        split = wanted.split if wanted.list is None else load_list(find_shipped("calibration", wanted.list)).split
        clips = dataset.clips(split)
        every = sum(len(clip) for clip in clips)
        count = min(frames, int(HELD_BACK_SHARE * every))
        if count < 1:
            raise DatasetError(
                f"Found {every} frames in split {split!r} of {dataset.name}, expected enough to hold a quarter back."
            )
        # A run has two neighbours at least, for steadiness is measured between them.
        held_back, keys = pick_neighbours(clips, count, max(1, min(HELD_BACK_BLOCKS, count // 2)))
        if report_split is not None:
            choose_split(dataset.splits, report_split, dataset.name)
        elif "val" in dataset.splits and split != "val":
            report_split = "val"
        return cls(dataset, split, held_back, keys, report_split)

    @cached_property
    def reported(self) -> dict[str, str]:
        """Frames that will be looked at in the end, by digest."""
        return {} if self.report_split is None else split_digests(self.dataset.clips(self.report_split))

    def check_calibration(self, recipe: QuantizeRecipe, allow_overlap: bool, progress: Progress) -> int:
        """Refuse, before any work, to report on frames that are calibrated on or held back."""
        wanted = recipe.calibration
        chosen = (
            sample_list(self.dataset, wanted.split, wanted.frames)
            if wanted.list is None
            else load_list(find_shipped("calibration", wanted.list))
        )
        chosen = without_frames(chosen, self.keys)
        progress.say("comparing the frames to be reported with those to be tuned on")
        shared = shared_frames(
            self._tuned(frame.image_rgb for frame in listed_frames(self.dataset, chosen)), self.reported
        )
        if shared and not allow_overlap:
            raise DatasetError(
                f"Found {len(shared)} frames of split {self.report_split!r}, such as {shared[0]}, among those that the "
                "search tunes on.",
                "Report on other frames: --report-split NAME; or insist with --allow-overlap.",
            )
        return len(shared)

    def shared_with(self, split: str) -> int:
        """How many frames that will be reported are in a split."""
        clips = self.dataset.clips(split)
        return len(shared_frames((clip[i].image_rgb for clip in clips for i in range(len(clip))), self.reported))

    def _tuned(self, calibration: Iterator[npt.NDArray[np.uint8]]) -> Iterator[npt.NDArray[np.uint8]]:
        yield from calibration
        for clip in self.dataset.clips(self.split):
            for index in range(len(clip)):
                if (clip.name, index) in self.keys:
                    yield clip[index].image_rgb


@dataclass(frozen=True)
class _Made:
    path: Path
    int8_macs: float


@dataclass
class _Work:
    """Makes candidates and measures them; each is made once."""

    bundle: Path
    data: str
    target: str
    recipe: WholeQuantizeRecipe
    frames: _Frames
    examination: Examination
    folder: Path
    allow_overlap: bool
    progress: Progress
    shared: int = 0
    bundles: dict[bytes, _Made] = field(default_factory=dict)

    @cached_property
    def reference(self) -> dict[str, float]:
        """Figures of the float network on the frames that are held back, with the target's engine."""
        self.progress.say("measuring FP32")
        return self._figures(self.bundle)

    def steps(self, finetuning: bool) -> list[Step[Candidate]]:
        """The table of steps, the cheapest first."""
        found = [Step(name, _recipe_step(name)) for name in RECIPE_STEPS]
        if finetuning:
            found.append(Step(FINETUNING, self._finetuned))
        return [*found, Step("groups in float", self._in_float)]

    def evaluate(self, rung: Rung[Candidate]) -> Measured | Skipped:
        self.progress.say(f"trying: {rung.name}")
        try:
            made = self.made(rung.candidate)
        except (GraphError, CalibrationError) as error:
            # The recipe itself must work; what goes beyond it may not be possible for this network.
            if rung.candidate == Candidate(recipe=_plain(self.recipe)):
                raise
            return Skipped(str(error))
        ours = self._figures(made.path)
        drops = {name: 100 * (value - ours[name]) for name, value in self.reference.items()}
        self.progress.say("  " + ", ".join(f"{name} {-drop:+.2f}" for name, drop in drops.items()))
        return Measured(drops=drops, int8_macs=made.int8_macs)

    def made(self, candidate: Candidate) -> _Made:
        """The bundle of a candidate."""
        key = msgspec.json.encode(candidate)
        if key not in self.bundles:
            self.bundles[key] = self._make(candidate, self.folder / f"{len(self.bundles)}.etc")
        return self.bundles[key]

    def _make(self, candidate: Candidate, out: Path) -> _Made:
        if candidate.tuned:
            from etc_edge.stages.finetune import finetune
            from etc_edge.training.finetuning.recipe import FinetuneRecipe

            calibrated = self.made(msgspec.structs.replace(candidate, tuned=False))
            tuned = self.recipe.finetune or FinetuneRecipe()
            out = out.with_name(f"tuned-{out.name}")
            finetune(
                calibrated.path, self.bundle, out, tuned, self.data, keep_out=self.frames.keys, progress=self.progress
            )
            return _Made(out, calibrated.int8_macs)
        recipe, ranges = candidate.recipe, None
        if candidate.back_to_float:
            calibrated = self.made(msgspec.structs.replace(candidate, back_to_float=()))
            ranges = Bundle.open(calibrated.path).ranges_path
            recipe = msgspec.structs.replace(recipe, keep_float=[*recipe.keep_float, *candidate.back_to_float])
            out = out.with_name(f"mixed-{out.name}")
        report = quantize(
            self.bundle, out, recipe, self.data, self.target, ranges, self.progress, self.frames.keys
        )  # fmt: skip
        return _Made(report.bundle.path, report.int8_macs)

    def _finetuned(self, best: Candidate) -> Sequence[Rung[Candidate]] | Skipped:
        if importlib.util.find_spec("torch") is None:
            return Skipped("Found no package 'torch', which fine-tuning needs. Try: pip install \"etc-edge[train]\"")
        split = "train" if self.recipe.finetune is None else self.recipe.finetune.data.split
        shared = self.frames.shared_with(split)
        if shared and not self.allow_overlap:
            return Skipped(f"Found {shared} of its frames among those that are reported on.")
        self.shared = max(self.shared, shared)
        return [Rung(FINETUNING, msgspec.structs.replace(best, tuned=True))]

    def _in_float(self, best: Candidate) -> Sequence[Rung[Candidate]] | Skipped:
        # Trained weights would have to be trained anew beside float neighbours, so this starts from calibration.
        base = msgspec.structs.replace(best, tuned=False)
        ranges = Bundle.open(self.made(base).path).ranges_path
        costs = sensitivity(
            self.bundle, self.data, base.recipe, self.frames.split, SENSITIVITY_FRAMES, self.target, ranges,
            keep_out=self.frames.keys, progress=self.progress,
        )  # fmt: skip
        groups = [GroupLoss(nodes=one.nodes, snr_db=one.cost.snr_db, saved=one.saved) for one in costs.groups]
        rungs, nodes = list[Rung[Candidate]](), tuple[str, ...]()
        for number, group in enumerate(float_order(groups), 1):
            nodes = (*nodes, *group.nodes)
            name = f"{number} of {len(groups)} groups in float"
            rungs.append(Rung(name, msgspec.structs.replace(base, back_to_float=nodes)))
        return rungs or Skipped("There is one group alone.")

    def _figures(self, path: Path) -> dict[str, float]:
        with Segmenter.load(path, self.target, progress=Silent()) as segmenter:
            shots = self.examination.shots
            seen = self.examination.examine(lambda number: segmenter.segment(shots[number].image_rgb).labels)
        figures = seen.figures()
        return {name: figures[name] for name in ("miou", "tc") if name in figures}


def _recipe_step(name: str) -> Callable[[Candidate], Sequence[Rung[Candidate]] | Skipped]:
    def rungs(best: Candidate) -> Sequence[Rung[Candidate]] | Skipped:
        changed = changed_recipe(best.recipe, name)
        return Skipped("the recipe has it") if changed is None else [Rung(name, Candidate(recipe=changed))]

    return rungs


def _plain(recipe: QuantizeRecipe) -> QuantizeRecipe:
    """Without the section that calibration does not read."""
    return QuantizeRecipe(**{name: getattr(recipe, name) for name in QuantizeRecipe.__struct_fields__})


def _check_measurable(budget: Budget, figures: dict[str, float], dataset: Dataset) -> None:
    for name in budget.limits():
        if name not in figures:
            needs = "labels" if name == "miou" else "neighbouring frames"
            raise DatasetError(
                f"Found no {needs} in what is held back of {dataset.name}, which the budget of {name} needs.",
                f"Leave --max-{name}-drop out, or give other data.",
            )


def _recorded(budget: Budget, report: BudgetReport, dataset: Dataset, frames: _Frames, target: str) -> dict[str, Any]:
    """What the manifest keeps of the search; points but for the reference and shares, which are fractions."""
    found = report.found
    recorded: dict[str, Any] = {
        "limits": budget.limits(),
        "holds": found.holds,
        "target": target,
        "held_back": {"dataset": dataset.name, "split": frames.split, "frames": report.held_back},
        "reference": report.reference,
        "chosen": found.attempt.name,
        "attempts": [
            {"name": one.name, "drop": one.measured.drops, "int8_macs": one.measured.int8_macs, "holds": one.holds}
            for one in found.attempts
        ],
        "skipped": dict(found.skipped),
    }
    if report.results is not None:
        drop = msgspec.to_builtins(report.results.drop)
        recorded["reported"] = {
            "split": report.split,
            "frames": report.results.data.frames,
            "tuned_on": report.shared,
            "drop": {name: 100 * value for name, value in drop.items()},
        }
    return recorded


def _write(out: Path, made: Bundle, recorded: dict[str, Any]) -> Bundle:
    assert made.ranges_path is not None
    manifest = made.manifest
    return write_bundle(
        out,
        BundleContents(
            name=made.name,
            precision="int8",
            labels=made.labels,
            preprocessing=made.preprocessing,
            logits=manifest.logits,
            model=made.model_path.read_bytes(),
            selftest=made.selftest(),
            ranges=made.ranges_path.read_bytes(),
            parents=tuple(manifest.parents),
            recipe=manifest.recipe,
            results={**manifest.results, "budget": recorded},
        ),
    )
