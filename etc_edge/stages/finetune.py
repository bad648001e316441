"""From an INT8 bundle to one whose weights and scales were trained further, in the same graph."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, check_bundle_path, write_bundle
from etc_edge.core.errors import BundleError, CheckpointError, DatasetError, RecipeError, TrainingError
from etc_edge.core.optional import require
from etc_edge.core.progress import Progress, Silent

if TYPE_CHECKING:
    import onnx

    from etc_edge.data.dataset import Dataset
    from etc_edge.stages.quantize import QuantizeReport
    from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
    from etc_edge.training.finetuning.recipe import FinetuneRecipe
    from etc_edge.training.finetuning.run import Graphs
    from etc_edge.training.frames import Labelled
    from etc_edge.training.loop import Trained
    from etc_edge.training.processes import Processes

CALIBRATED = "calibrated.etc"
CALIBRATION = "calibration.json"
Slice = frozenset[tuple[str, int]]
"""Frames by name of their clip and index in it."""


@dataclass(frozen=True)
class FinetuneReport:
    """What became of the graph; figures are of frames of the training clips that it was not trained on.

    Args:
        bundle: the new bundle; None in those of several processes that are not the first.
        steps: steps done.
        best_step: the step whose weights are in the bundle; 0: none did better than calibration.
        before, after, reference: `miou` (with labels), `tc`, `flicker` and `agreement` with the float network, of the
            calibrated graph, the fine-tuned one and the float one, as ONNX Runtime runs them; empty where nothing was
            held back.
        is_first: whether this is the process that reports.
        seconds: from reading both graphs to having the trained one; None where a run was gone on with.
    """

    bundle: Bundle | None
    steps: int
    best_step: int
    before: dict[str, float]
    after: dict[str, float]
    reference: dict[str, float]
    is_first: bool = True
    seconds: float | None = None


def finetune(
    int8: Path,
    reference: Path,
    out: Path,
    recipe: FinetuneRecipe,
    data: str | None = None,
    resume: bool = False,
    run: Path | None = None,
    keep_out: Slice = frozenset(),
    progress: Progress | None = None,
) -> FinetuneReport:
    """Train the weights and scales of an INT8 bundle's graph, and write them back into the same graph.

    Args:
        int8: a quantized bundle.
        reference: the FP32 bundle that it was made from, which is distilled from.
        out: the bundle to write, `NAME.etc`.
        recipe: losses, rates, frames.
        data: a data set, or a video or pictures without labels, instead of the recipe's.
        resume: go on from the checkpoint in the run's folder.
        run: the run's folder, `NAME.finetuning` beside `out` when None; it is removed when the bundle is written.
        keep_out: frames that are neither trained on nor looked at on the way.
        progress: where to report.

    Raises:
        EtcEdgeError: anything that the bundles, the recipe or the data lack; a stop that was asked for.
    """
    require("torch", "train", "fine-tuning")
    from etc_edge.training.processes import training_processes

    folder = _run_folder(out, run, resume)
    with training_processes() as processes, _removed_when_done(folder, processes):
        heard = _heard(progress, processes)
        dataset, frames = _frames(data, recipe, keep_out)
        return _Finetuning(int8, reference, out, recipe, folder).run(dataset, frames, resume, processes, heard)


def quantize_and_finetune(
    bundle: Path,
    out: Path,
    recipe: WholeQuantizeRecipe,
    data: str | None = None,
    target: str = "cpu",
    ranges: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> tuple[QuantizeReport | None, FinetuneReport]:
    """Calibrate a bundle, as `quantize` does, and fine-tune what comes of it, by default without labels.

    The first report is None where the calibrated bundle was there already, on resumption, and in those of several
    processes that are not the first.

    Raises:
        EtcEdgeError: see `quantize` and `finetune`.
    """
    require("torch", "train", "fine-tuning")
    from etc_edge.stages.quantize import quantize
    from etc_edge.training.finetuning.recipe import FinetuneRecipe
    from etc_edge.training.processes import training_processes

    tuned = recipe.finetune or FinetuneRecipe()
    if out.resolve() == bundle.resolve():
        raise BundleError(f"Found {out} as the bundle to read and to write.", "Choose another --out.")
    folder = _run_folder(out, None, resume)
    with training_processes() as processes, _removed_when_done(folder, processes):
        heard, report = _heard(progress, processes), None
        asked = _calibration(bundle, recipe, target, ranges)
        if resume:
            _check_calibration(folder, asked)
        dataset, frames = _frames(data, tuned)
        if processes.is_first and not resume:
            report = quantize(bundle, folder / CALIBRATED, recipe, data, target, ranges, heard)
            (folder / CALIBRATION).write_bytes(asked)
        processes.meet()
        work = _Finetuning(folder / CALIBRATED, bundle, out, tuned, folder)
        return report, work.run(dataset, frames, resume, processes, heard)


@dataclass(frozen=True)
class _Finetuning:
    int8: Path
    reference: Path
    out: Path
    recipe: FinetuneRecipe
    folder: Path

    def run(
        self, dataset: Dataset, frames: list[Labelled], resume: bool, processes: Processes, progress: Progress
    ) -> FinetuneReport:
        from etc_edge.stages.evaluate import check_classes
        from etc_edge.training.finetuning.run import prepare_run
        from etc_edge.training.loop import Training

        begun = time.perf_counter()
        int8, reference = _opened(self.int8, "int8"), _opened(self.reference, "fp32")
        if self.recipe.needs_labels:
            check_classes(int8.labels, dataset, progress)
        prepared = prepare_run(_graphs(int8, reference), frames, self.recipe, self.folder, processes)
        progress.say(f"fine-tuning on {prepared.trained_on} frames, watched on {prepared.held_back} others")
        trained = Training(prepared.run, progress).train(resume)
        watch = trained.watch
        told = FinetuneReport(
            None, trained.iterations, watch.best_iteration if watch.best else trained.iterations, watch.first,
            watch.best or watch.last, prepared.reference, processes.is_first,
            None if resume else round(time.perf_counter() - begun, 1),
        )  # fmt: skip
        if not processes.is_first:
            return told
        progress.say("writing the fine-tuned graph")
        described = _described(self.recipe, dataset, prepared.trained_on, prepared.held_back)
        written = _write(self.out, int8, reference, trained, described, told)
        return replace(told, bundle=written)


def _calibration(bundle: Path, recipe: WholeQuantizeRecipe, target: str, ranges: Path | None) -> bytes:
    """What the calibrated graph depends on, as JSON."""
    import msgspec

    from etc_edge.core.hashing import sha256_file

    plain = {name: value for name, value in msgspec.to_builtins(recipe).items() if name != "finetune"}
    given = None if ranges is None or not ranges.is_file() else sha256_file(ranges)
    return msgspec.json.encode([Bundle.open(bundle).hash, plain, target, given], order="sorted")


def _check_calibration(folder: Path, asked: bytes) -> None:
    try:
        same = (folder / CALIBRATION).read_bytes() == asked
    except OSError:
        same = False
    if not same:
        raise RecipeError(
            f"Found a run in {folder} that began with another bundle, calibration or target.",
            "Resume with what it was started with, or remove the folder and start anew.",
        )


def _run_folder(out: Path, run: Path | None, resume: bool) -> Path:
    """The run's folder, which holds a checkpoint where one is needed and none where not."""
    from etc_edge.training.loop import SNAPSHOT

    check_bundle_path(out)
    folder = run or out.with_name(f"{out.stem}.finetuning")
    there = (folder / SNAPSHOT).exists()
    if there and not resume:
        raise TrainingError(f"Found a run in {folder} already.", "Go on with --resume, or remove the folder.")
    if resume and not there:
        raise CheckpointError(f"Found no run to resume in {folder}.", "Start it without --resume.")
    return folder


@contextmanager
def _removed_when_done(folder: Path, processes: Processes) -> Iterator[None]:
    """Remove the run's folder when the block ends, but for one with a checkpoint to go on from."""
    from etc_edge.training.loop import SNAPSHOT

    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if processes.is_first and not (folder / SNAPSHOT).exists():
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if processes.is_first:
        shutil.rmtree(folder, ignore_errors=True)


def _heard(progress: Progress | None, processes: Processes) -> Progress:
    return progress if progress is not None and processes.is_first else Silent()


def _frames(data: str | None, recipe: FinetuneRecipe, keep_out: Slice = frozenset()) -> tuple[Dataset, list[Labelled]]:
    """The frames that a recipe may look at: labelled ones where it needs labels, else all."""
    from etc_edge.data.dataset import open_dataset
    from etc_edge.training.frames import every_frame, labelled_frames

    spec = data or recipe.data.path
    if spec is None:
        raise RecipeError(
            "Found no data to fine-tune on.", "Name it with --data or in the recipe's finetune.data.path."
        )
    dataset = open_dataset(spec, recipe.data.kind)
    found = labelled_frames if recipe.needs_labels else every_frame
    split = recipe.data.split
    frames = found(dataset.clips(split), f"split {split!r} of {spec}")
    kept = [frame for frame in frames if (frame.clip.name, frame.index) not in keep_out]
    if not kept:
        raise DatasetError(f"Found no frame in split {split!r} of {spec} but those that are kept out.")
    return dataset, kept


def _opened(path: Path, precision: str) -> Bundle:
    bundle = Bundle.open(path)
    bundle.verify()
    if bundle.precision != precision:
        raise BundleError(f"Found a bundle of precision {bundle.precision} at {path}, expected {precision}.")
    return bundle


def _graphs(int8: Bundle, reference: Bundle) -> Graphs:
    """Both graphs; that they belong together, `ranges.json` knows.

    Raises:
        BundleError: the INT8 bundle has no ranges.
        CalibrationError: its ranges were made for another float graph.
    """
    from etc_edge.graph.load import load_model
    from etc_edge.quantization.prepared_graph import equalized_graph
    from etc_edge.quantization.ranges import load_ranges
    from etc_edge.training.finetuning.run import Graphs

    if int8.ranges_path is None:
        raise BundleError(f"Found no ranges in {int8.path}.", "Quantize it with etc-edge quantize.")
    ranges = load_ranges(int8.ranges_path, reference.manifest.files[reference.model_path.name])
    floating = equalized_graph(load_model(reference.model_path), ranges.equalization)
    quantized = load_model(int8.model_path)
    return Graphs(quantized, floating, int8.manifest.logits, int8.labels, int8.preprocessing)


def _described(recipe: FinetuneRecipe, dataset: Dataset, trained_on: int, held_back: int) -> dict[str, Any]:
    import msgspec

    described: dict[str, Any] = msgspec.to_builtins(recipe)
    described["data"] = {
        "dataset": dataset.name, "split": recipe.data.split, "frames": trained_on, "held_back": held_back
    }  # fmt: skip
    return described


def _write(
    out: Path, int8: Bundle, reference: Bundle, trained: Trained, described: dict[str, Any], report: FinetuneReport
) -> Bundle:
    from etc_edge.graph.load import check_model, to_bytes
    from etc_edge.stages.export import labels_of

    model = _model_of(trained)
    check_model(model, "the fine-tuned graph")
    content, frames = to_bytes(model), int8.selftest().frames
    figures = {"steps": report.steps, "best_step": report.best_step, "before": report.before, "after": report.after}
    taken = {} if report.seconds is None else {"seconds": report.seconds}
    return write_bundle(
        out,
        BundleContents(
            name=int8.name,
            precision="int8",
            labels=int8.labels,
            preprocessing=int8.preprocessing,
            logits=int8.manifest.logits,
            model=content,
            selftest=SelfTest(frames, labels_of(content, frames)),
            ranges=_trained_ranges(int8, reference, model),
            parents=(reference.hash, int8.hash),
            recipe={**int8.manifest.recipe, "finetune": described},
            results={"finetune": {**figures, **taken, "reference": report.reference}},
        ),
    )


def _model_of(trained: Trained) -> onnx.ModelProto:
    from etc_edge.training.finetuning.network import GraphNetwork

    assert isinstance(trained.network, GraphNetwork)
    return trained.network.graph.write_back()


def _trained_ranges(int8: Bundle, reference: Bundle, model: onnx.ModelProto) -> bytes:
    """The ranges with the trained grids, so that whatever starts from them starts from what was learned."""
    from etc_edge.graph.qdq import pairs
    from etc_edge.graph.view import GraphView
    from etc_edge.quantization.ranges import encode_ranges, load_ranges, with_grids

    assert int8.ranges_path is not None
    ranges = load_ranges(int8.ranges_path, reference.manifest.files[reference.model_path.name])
    return encode_ranges(with_grids(ranges, {pair.tensor: pair.grid for pair in pairs(GraphView(model))}))
