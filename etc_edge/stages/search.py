"""From an FP32 bundle to the INT8 bundle that costs least effort and holds a budget of accuracy and steadiness."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from etc_edge.backends.targets import check_target
from etc_edge.core.bundle import Bundle, BundleContents, check_bundle_path, write_bundle
from etc_edge.core.errors import BundleError, CalibrationError, DatasetError, GraphError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Results
from etc_edge.data.dataset import Dataset, open_dataset
from etc_edge.flow.base import open_flow
from etc_edge.graph.load import load_model
from etc_edge.metrics.bootstrap import FEWEST_ITEMS
from etc_edge.metrics.examination import Examination, Examined, prepare
from etc_edge.metrics.intervals import upper_ends
from etc_edge.quantization.budget_steps import RECIPE_STEPS, GroupLoss, changed_recipe, float_order
from etc_edge.quantization.groups import groups_of
from etc_edge.quantization.placement import place
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.quantization.search import POINT_ESTIMATE, Budget, Found, Measured, Rung, Skipped, Step, search
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.evaluate import DEFAULT_FLOW, check_classes, evaluate
from etc_edge.stages.held_back import HeldBack
from etc_edge.stages.quantize import quantize
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.stages.sensitivity import sensitivity

SENSITIVITY_FRAMES = 60
FINETUNING = "fine-tuning"
_PATHS = {"miou": "accuracy.miou", "tc": "temporal.tc"}


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
        held_back: how many frames those are, copies not counted.
        frames_needed: about how many would make certain what now is unclear of the one that was chosen; None where
            nothing is, or no number would.
        frames_at_most: how many of the split may be held back.
        split: the split that was looked at in the end; None where none was.
        results: what was seen there, beside the float network; None where nothing was looked at.
        shared: how many of its frames had been tuned on, where that was allowed.
    """

    bundle: Bundle | None
    found: Found[Candidate]
    reference: dict[str, float]
    held_back: int
    frames_needed: int | None = None
    frames_at_most: int = 0
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
    frames: int | None = None,
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
        budget: what is allowed, in points, and how sure it has to be that no more is lost.
        target: whose grid is used and whose engine measures.
        report_split: looked at once in the end; None takes `val` where the data set has it.
        frames: how many to hold back, see `HeldBack.split_up`.
        keep_best: write what breaks the budget least where nothing holds it.
        allow_overlap: look at the reporting split although frames of it were tuned on.
        finetuning: whether that is tried.
        progress: told what goes on.

    Raises:
        DatasetError: a figure of the budget cannot be measured on this data, frames are too few for an interval, or
            some that would be reported are among those that are tuned on.
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
    frames_of = HeldBack.split_up(dataset, recipe, report_split, frames)
    shared = frames_of.check_calibration(recipe, allow_overlap, progress)
    progress.say("reading frames that are held back")
    with (
        tempfile.TemporaryDirectory(prefix="etc-edge-budget-") as folder,
        tempfile.TemporaryDirectory(prefix="etc-edge-held-back-") as stored,
    ):
        examination = prepare(frames_of.clips, dataset.label_set, open_flow(DEFAULT_FLOW), Path(stored))
        work = _Work(
            bundle, data, target, recipe, budget, frames_of, examination, Path(folder), allow_overlap, progress
        )  # fmt: skip
        reference = _figures(work.reference)
        _check_measurable(budget, reference, dataset)
        _check_enough(budget, work.reference, dataset)
        start = Rung("the recipe", Candidate(recipe=_plain(recipe)))
        steps = work.steps(finetuning)
        found = search(start, steps, work.evaluate, budget)
        needed = budget.frames_needed(found.attempt.measured, len(frames_of.keys))
        report = BudgetReport(None, found, reference, len(frames_of.keys), needed, frames_of.most)
        if not found.holds and not keep_best:
            return report
        made, results = work.made(found.candidate).path, None
        if frames_of.report_split is not None:
            progress.say(f"looking at {frames_of.report_split}, once")
            results = evaluate(made, data, frames_of.report_split, bundle, target, progress=progress)
        report = replace(report, split=frames_of.report_split, results=results, shared=max(shared, work.shared))
        written = _write(out, Bundle.open(made), _recorded(budget, report, dataset, frames_of, target))
    return replace(report, bundle=written)


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
    budget: Budget
    frames: HeldBack
    examination: Examination
    folder: Path
    allow_overlap: bool
    progress: Progress
    shared: int = 0
    bundles: dict[bytes, _Made] = field(default_factory=dict)

    @cached_property
    def reference(self) -> Examined:
        """The float network on the frames that are held back, with the target's engine."""
        self.progress.say("measuring FP32")
        return self._examined(self.bundle)

    def steps(self, finetuning: bool) -> list[Step[Candidate]]:
        """The table of steps, the cheapest first."""
        found = [Step(name, _recipe_step(name)) for name in RECIPE_STEPS]
        if finetuning:
            found.append(Step(FINETUNING, self._finetuned, dear=True))
        return [*found, Step("groups in float", self._in_float, dear=True)]

    def evaluate(self, rung: Rung[Candidate]) -> Measured | Skipped:
        self.progress.say(f"trying: {rung.name}")
        begun = time.perf_counter()
        try:
            made = self.made(rung.candidate)
        except (GraphError, CalibrationError) as error:
            # The recipe itself must work; what goes beyond it may not be possible for this network.
            if rung.candidate == Candidate(recipe=_plain(self.recipe)):
                raise
            return Skipped(str(error))
        measured = msgspec.structs.replace(self._measured(made), seconds=round(time.perf_counter() - begun, 1))
        told = [self._told(measured, name) for name in measured.drops]
        self.progress.say("  " + ", ".join([*told, f"{measured.seconds:.0f} s"]))
        return measured

    def _measured(self, made: _Made) -> Measured:
        ours = self._examined(made.path)
        figures = _figures(ours)
        drops = {name: 100 * (value - figures[name]) for name, value in _figures(self.reference).items()}
        upper = dict(drops)
        if self.budget.by_interval:
            ends = upper_ends(self.reference.samples, ours.samples, self.budget.confidence)
            upper = {name: 100 * ends[path] for name, path in _PATHS.items() if name in drops and path in ends}
        return Measured(drops=drops, upper=upper, int8_macs=made.int8_macs)

    def _told(self, measured: Measured, name: str) -> str:
        told = f"{name} {-measured.drops[name]:+.2f}"
        worst = self.budget.by_interval and name in measured.upper
        return f"{told} (at worst {-measured.upper[name]:+.2f})" if worst else told

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
        self.progress.say("fine-tuning takes longer than all before it; --no-finetune leaves it out")
        return [Rung(FINETUNING, msgspec.structs.replace(best, tuned=True))]

    def _in_float(self, best: Candidate) -> Sequence[Rung[Candidate]] | Skipped:
        # Trained weights would have to be trained anew beside float neighbours, so this starts from calibration.
        base = msgspec.structs.replace(best, tuned=False)
        ranges = Bundle.open(self.made(base).path).ranges_path
        costs = sensitivity(
            self.bundle, self.data, base.recipe, self.frames.split, SENSITIVITY_FRAMES, self.target, ranges,
            keep_out=self.frames.keys, progress=self.progress,
        )  # fmt: skip
        grids = self._grids(base.recipe)
        groups = [
            GroupLoss(nodes=one.nodes, snr_db=one.cost.snr_db, saved=one.saved, grids=grids[one.nodes])
            for one in costs.groups
        ]
        rungs, nodes = list[Rung[Candidate]](), tuple[str, ...]()
        for number, group in enumerate(float_order(groups), 1):
            nodes = (*nodes, *group.nodes)
            name = f"{number} of {len(groups)} groups in float"
            rungs.append(Rung(name, msgspec.structs.replace(base, back_to_float=nodes)))
        return rungs or Skipped("There is one group alone.")

    def _grids(self, recipe: QuantizeRecipe) -> dict[tuple[str, ...], tuple[str, ...]]:
        """What each group is quantized on, by its operators."""
        source = Bundle.open(self.bundle)
        model, logits = load_model(source.model_path), source.manifest.logits
        placement = place(model, logits, frozenset(recipe.keep_float))
        return {group.nodes: group.grids for group in groups_of(model, placement, logits)}

    def _examined(self, path: Path) -> Examined:
        with Segmenter.load(path, self.target, progress=Silent()) as segmenter:
            shots = self.examination.shots
            return self.examination.examine(lambda number: segmenter.segment(shots[number].image_rgb).labels)


def _figures(examined: Examined) -> dict[str, float]:
    figures = examined.figures()
    return {name: figures[name] for name in _PATHS if name in figures}


def _recipe_step(name: str) -> Callable[[Candidate], Sequence[Rung[Candidate]] | Skipped]:
    def rungs(best: Candidate) -> Sequence[Rung[Candidate]] | Skipped:
        changed = changed_recipe(best.recipe, name)
        return Skipped("the recipe has it") if changed is None else [Rung(name, Candidate(recipe=changed))]

    return rungs


def _plain(recipe: QuantizeRecipe) -> QuantizeRecipe:
    """Without the section that calibration does not read."""
    return QuantizeRecipe(**{name: getattr(recipe, name) for name in QuantizeRecipe.__struct_fields__})


def _check_enough(budget: Budget, reference: Examined, dataset: Dataset) -> None:
    ends = upper_ends(reference.samples, reference.samples, budget.confidence) if budget.by_interval else {}
    for name in budget.limits():
        if budget.by_interval and _PATHS[name] not in ends:
            needs = "labelled frames" if name == "miou" else "pairs of neighbours"
            raise DatasetError(
                f"Found fewer than {FEWEST_ITEMS} {needs} in what is held back of {dataset.name}, too few to be "
                f"{budget.confidence:.0%} sure of {name}.",
                f"Give more data or --budget-frames, or take what is measured: --budget-confidence {POINT_ESTIMATE}",
            )


def _check_measurable(budget: Budget, figures: dict[str, float], dataset: Dataset) -> None:
    for name in budget.limits():
        if name not in figures:
            needs = "labels" if name == "miou" else "neighbouring frames"
            raise DatasetError(
                f"Found no {needs} in what is held back of {dataset.name}, which the budget of {name} needs.",
                f"Leave --max-{name}-drop out, or give other data.",
            )


def _recorded(budget: Budget, report: BudgetReport, dataset: Dataset, frames: HeldBack, target: str) -> dict[str, Any]:
    """What the manifest keeps of the search; points but for the reference and shares, which are fractions."""
    found = report.found
    recorded: dict[str, Any] = {
        "limits": budget.limits(),
        "confidence": budget.confidence,
        "holds": found.holds,
        "target": target,
        "held_back": {"dataset": dataset.name, "split": frames.split, "frames": report.held_back},
        "reference": report.reference,
        "chosen": found.attempt.name,
        "attempts": [
            {
                "name": one.name,
                "drop": one.measured.drops,
                "drop_at_most": one.measured.upper,
                "int8_macs": one.measured.int8_macs,
                "seconds": one.measured.seconds,
                "verdict": one.verdict,
                "holds": one.holds,
            }
            for one in found.attempts
        ],
        "skipped": dict(found.skipped),
    }
    if report.frames_needed is not None:
        recorded["frames_needed"] = report.frames_needed
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
