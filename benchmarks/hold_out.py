"""INT8 of a network from elsewhere, given as plain ONNX: what it costs and what it saves.

python benchmarks/hold_out.py MODEL.onnx --data camvid --size 360x480 --json hold_out.json

Meant for a network that etc-edge was not built around: PReLU, transposed and dilated convolutions, many concatenations.
With --finetune quantize/label-free-stills its INT8 is fine-tuned too, in the graph that came as ONNX.
Weights of ours (NAME.safetensors) are first exported to the plain ONNX that their author would give away.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import click
import msgspec
import yaml
from measuring.calibration_frames import split_frames, with_frames
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.comparison import Measured, compare, entries, faster, ratio, table
from measuring.line_up import OURS, TUNED, Quantized, add_tuned, load_all, quantize_all
from measuring.peers import PEERS
from measuring.record import Goal, Record, Watch, finish

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.choice import choose
from etc_edge.core.bundle import Bundle
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, Preprocessing
from etc_edge.core.progress import Progress, console_progress
from etc_edge.core.recipe import load_recipe
from etc_edge.core.shipped import find_shipped
from etc_edge.data.dataset import open_dataset
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.stages.evaluate import check_classes
from etc_edge.stages.export import ExportOptions, export
from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
from etc_edge.training.finetuning.recipe import FinetuneRecipe

MIOU_GOAL, TC_GOAL, TIME_GOAL = 0.004, 0.006, 0.7
TUNED_GOAL, LABEL_FREE_GOAL = 0.0, 0.001
TIMED_FRAMES = 8


def _size(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    match = None if value is None else re.fullmatch(r"(\d+)x(\d+)", value)
    if value is not None and match is None:
        raise click.BadParameter(f"Found {value!r}, expected height x width such as 360x480.")
    return None if match is None else (int(match[1]), int(match[2]))


@click.command(cls=Benchmark)
@click.argument("model", type=click.Path(path_type=Path, exists=True), metavar="MODEL.onnx|WEIGHTS.safetensors")
@click.option("--data", required=True, help="Data set with labelled clips, and the frames to calibrate on.")
@click.option("--split", default="val", show_default=True, help="Split to measure on.")
@click.option("--size", "size_hw", callback=_size, metavar="HxW", help="Input size, where the file leaves it open.")
@click.option("--mean", type=(float, float, float), default=IMAGENET_MEAN_RGB, help="Of R, G, B in 0–255.")
@click.option("--std", type=(float, float, float), default=IMAGENET_STD_RGB, help="Of R, G, B in 0–255.")
@click.option("--color", type=click.Choice(["rgb", "bgr"]), default="rgb", show_default=True)
@click.option("--peer", "peers", multiple=True, type=click.Choice([*PEERS, "none"]), help="Left out: every one.")
@click.option("--finetune", "tuning", metavar="RECIPE", help="Fine-tune too, as this recipe's section finetune says.")
@click.option("--frames", type=click.IntRange(min=1), help="Evaluate on so many frames; left out, all.")
@click.option("--calibration-frames", type=click.IntRange(min=1), help="Left out, those of the default recipe.")
@click.option("--rounds", type=click.IntRange(min=1), default=60, show_default=True, help="Rounds of timing.")
@threads_and_json
def main(
    model: Path,
    data: str,
    split: str,
    size_hw: tuple[int, int] | None,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    color: str,
    peers: tuple[str, ...],
    tuning: str | None,
    frames: int | None,
    calibration_frames: int | None,
    rounds: int,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Export, quantize and measure a network given as ONNX, as its user would."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch, dataset = Watch(cores), open_dataset(data)
    wanted = [name for name in (peers or PEERS) if name != "none"]
    recipe = with_frames(QuantizeRecipe(), calibration_frames)
    further = None if tuning is None else load_recipe(find_shipped("recipes", tuning), WholeQuantizeRecipe).finetune
    if tuning is not None and further is None:
        raise click.UsageError(f"Found no section finetune in {tuning}, expected one.")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        options = ExportOptions(
            classes=_classes_file(dataset.label_set, work),
            size_hw=size_hw,
            mean_rgb=mean,
            std_rgb=std,
            color="bgr" if color == "bgr" else "rgb",
        )
        if model.suffix == ".safetensors":
            model, options = _plain_onnx(model, options, work)
        fp32 = export(model, work / f"{model.stem}.etc", options, progress).bundle
        check_classes(fp32.labels, dataset, progress)
        made = quantize_all(fp32, recipe, data, wanted, work, progress)
        bundles = {"fp32": fp32, OURS: made.ours}
        if further is not None:
            bundles[TUNED] = _tuned(fp32, made, further, data, work, progress)
        contenders = load_all(bundles, made, cores, work, progress)
        timed = split_frames(dataset, split, TIMED_FRAMES, fp32.preprocessing.size_hw)
        measured = compare(contenders, dataset, split, timed, frames, rounds, progress)
        chosen = choose(made.ours, EngineOptions(threads=cores), progress)[1].backend
        operators = _operators(fp32)
    fastest_fp32 = faster([one for one in measured if one.contender.maker == "fp32"])
    on_chosen = {one.contender.maker: one for one in measured if one.contender.backend == chosen}
    ours = on_chosen[OURS]
    time_ratio = ratio(ours, fastest_fp32)
    finish(
        Record(
            benchmark="hold_out",
            title=f"{fp32.name} on {dataset.name}: INT8 of a network given as ONNX",
            settings={
                "size_hw": list(fp32.preprocessing.size_hw),
                "operators": operators,
                "data": dataset.name,
                "split": split,
                "frames": frames,
                "calibration_frames": made.frames,
                "rounds": rounds,
                "finetune": None if further is None else msgspec.to_builtins(further),
                "peers": {name: PEERS[name].described for name in wanted},
            },
            figures={
                "networks": entries(measured, made.seconds),
                "faster_fp32": fastest_fp32.contender.backend,
                "chosen_backend": chosen,
                "ratio": time_ratio,
                "peak_memory_bytes": made.peak_memory_bytes,
            },
            table=table(measured, fastest_fp32, made.seconds),
            goals=[
                Goal(name="mIoU: FP32 − ours", value=ours.miou_drop(measured[0]), sense="at most", bound=MIOU_GOAL),
                Goal(name="tc: FP32 − ours", value=ours.tc_drop(measured[0]), sense="at most", bound=TC_GOAL),
                Goal(name="time: ours / faster FP32", value=time_ratio, sense="at most", bound=TIME_GOAL),
                *_tuned_goals(on_chosen.get(TUNED), measured[0], further),
            ],
            notes=[*made.notes, f"run chooses {chosen} for our INT8 on this machine"],
            conditions=watch.conditions(**made.versions),
        ),
        json_path,
    )


def _tuned(fp32: Bundle, made: Quantized, recipe: FinetuneRecipe, data: str, work: Path, progress: Progress) -> Bundle:
    """Our INT8, fine-tuned; its seconds are noted."""
    from etc_edge.stages.finetune import finetune

    out = work / f"{fp32.path.stem}-finetuned.etc"
    finetune(made.ours.path, fp32.path, out, recipe, data, progress=progress)
    add_tuned(made, Bundle.open(out))
    return Bundle.open(out)


def _tuned_goals(tuned: Measured | None, reference: Measured, recipe: FinetuneRecipe | None) -> list[Goal]:
    if tuned is None or recipe is None:
        return []
    bound = TUNED_GOAL if recipe.needs_labels else LABEL_FREE_GOAL
    drops = {"mIoU": tuned.miou_drop(reference), "tc": tuned.tc_drop(reference)}
    return [
        Goal(name=f"{figure}: FP32 − ours fine-tuned", value=value, sense="at most", bound=bound)
        for figure, value in drops.items()
    ]


def _classes_file(labels: LabelSet, work: Path) -> Path:
    """The data set's classes as the file that `etc-edge export --classes` takes."""
    path = work / "classes.yaml"
    path.write_text(yaml.safe_dump(labels.to_dict()), encoding="utf-8")
    return path


def _plain_onnx(weights: Path, options: ExportOptions, work: Path) -> tuple[Path, ExportOptions]:
    """Weights of ours as the ONNX file of a stranger: float NCHW in, logits out, nothing else said."""
    from etc_edge.models.onnx_export import to_onnx
    from etc_edge.models.released import load_released

    released = load_released(weights)
    own: Preprocessing = released.preprocessing
    size_hw = options.size_hw or own.size_hw
    path = work / f"{released.name}.onnx"
    path.write_bytes(to_onnx(released.network, size_hw).SerializeToString())
    return path, ExportOptions(
        classes=options.classes,
        size_hw=size_hw,
        mean_rgb=own.mean_rgb,
        std_rgb=own.std_rgb,
        color=own.color,
        upsampling="align_corners",
    )


def _operators(bundle: Bundle) -> dict[str, int]:
    """How often each operator occurs in a graph."""
    from collections import Counter

    import onnx

    nodes = onnx.load(str(bundle.model_path), load_external_data=False).graph.node
    return dict(Counter(node.op_type for node in nodes).most_common())


if __name__ == "__main__":
    main()
