"""mIoU, tc and flicker of `etc-edge evaluate` beside scikit-learn, torchmetrics and OpenCV on the same label files.

python benchmarks/outside_tools.py INT8.etc --data camvid --json outside_tools.json
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from measuring.command import FOLDER, Benchmark, keep_to_cores, threads_and_json
from measuring.independent import ClipFiles, independent_figures, tool_versions
from measuring.record import Goal, Record, Table, Watch, finish
from msgspec import UnsetType

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.optional import require
from etc_edge.core.progress import Progress, console_progress
from etc_edge.core.results import Results
from etc_edge.data.dataset import Dataset, open_dataset
from etc_edge.data.stored import StoredClip
from etc_edge.stages.evaluate import DEFAULT_FLOW, evaluate
from etc_edge.stages.run import Outputs
from etc_edge.stages.run import run as run_model

APART = 1e-6
"""How far figures may be apart: torchmetrics divides in float32, and of a point that lies halfway between two pixels
OpenCV takes the even one."""


@click.command(cls=Benchmark)
@click.argument("model", type=click.Path(path_type=Path), metavar="B.etc")
@click.option("--data", required=True, type=FOLDER, help="A data set of image files, such as CamVid.")
@click.option("--split", default="val", show_default=True)
@click.option("--target", default="cpu", show_default=True)
@click.option("--frames", type=click.IntRange(min=2), help="Only so many frames.")
@threads_and_json
def main(
    model: Path, data: Path, split: str, target: str, frames: int | None, threads: int | None, json_path: Path | None
) -> None:
    """Let `evaluate` measure a model, let `run` write its labels, and measure those files with others' tools."""
    cores, progress = keep_to_cores(threads), console_progress()
    for package in ("sklearn", "torchmetrics"):
        require(package, "test", "comparing figures")
    watch = Watch(cores)
    dataset = open_dataset(str(data))
    ours = _figures(evaluate(model, str(data), split, None, target, DEFAULT_FLOW, cores, frames, progress))
    with TemporaryDirectory() as folder:
        clips = list(_labelled(model, dataset, split, target, cores, frames, Path(folder), progress))
        outside = independent_figures(clips, len(dataset.label_set), dataset.label_set.void)
    count = sum(len(clip.labels) for clip in clips)
    apart = {(path, name): abs(ours[path] - value) for path, found in outside.items() for name, value in found.items()}
    finish(
        Record(
            benchmark="outside_tools",
            title=f"{model.stem} on {dataset.name}: our figures and those of others' tools on the same label files",
            settings={"split": split, "frames": count, "target": target, "flow": DEFAULT_FLOW},
            figures={"ours": ours, "outside": outside},
            table=Table(
                ["figure, by", "theirs, %", "etc-edge evaluate, %", "apart"],
                [
                    [f"{path}, {name}", f"{100 * outside[path][name]:.6f}", f"{100 * ours[path]:.6f}", f"{by:.1e}"]
                    for (path, name), by in apart.items()
                ],
            ),
            goals=[
                Goal(name=f"{path}: ours − {name}, either way", value=by, sense="at most", bound=APART)
                for (path, name), by in apart.items()
            ],
            notes=["others read the label files of etc-edge run, and follow the pixels by OpenCV's DIS and remap"],
            conditions=watch.conditions(**tool_versions()),
            timed=False,
        ),
        json_path,
    )


def _figures(results: Results) -> dict[str, float]:
    if isinstance(results.accuracy, UnsetType) or isinstance(results.temporal, UnsetType):
        raise EtcEdgeError("Found no labelled clip, expected ground truth for two neighbouring frames or more.")
    tc, flicker = results.temporal.tc, results.temporal.flicker
    assert not isinstance(tc, UnsetType)
    assert not isinstance(flicker, UnsetType)
    return {"accuracy.miou": results.accuracy.miou, "temporal.tc": tc, "temporal.flicker": flicker}


def _labelled(
    model: Path,
    dataset: Dataset,
    split: str,
    target: str,
    threads: int,
    frames: int | None,
    work: Path,
    progress: Progress,
) -> Iterator[ClipFiles]:
    """The clips of a split as files, the labels written by `run`."""
    left = frames
    for number, clip in enumerate(dataset.clips(split)):
        if left == 0:
            return
        if not isinstance(clip, StoredClip):
            raise EtcEdgeError(f"Found {dataset.name}, which keeps no image files.", "Name a data set that does.")
        chosen = clip.frames[:left]
        left = None if left is None else left - len(chosen)
        images, truth = [frame.image for frame in chosen], [frame.labels for frame in chosen if frame.labels]
        if len(truth) < len(images):
            raise EtcEdgeError(f"Found frames without ground truth in {clip.name}, expected it for every frame.")
        # In a folder of their own, so that `run` labels these and no others.
        given, labels = work / f"images-{number}", work / f"labels-{number}"
        given.mkdir()
        for index, image in enumerate(images):
            (given / f"{index:06d}{image.suffix}").symlink_to(image.resolve())
        run_model(model, str(given), Outputs(labels=labels), target, threads=threads, progress=progress)
        yield ClipFiles(images, truth, sorted(labels.glob("*.png")))


if __name__ == "__main__":
    main()
