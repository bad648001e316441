"""INT8 by etc-edge beside INT8 by other quantizers: from one FP32 graph, on the same frames, on the same cores.

python benchmarks/int8_peers.py FP32.etc INT8.etc --finetuned TUNED.etc --data camvid --json peers.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import msgspec
from measuring.calibration_frames import recipe_of, split_frames, with_frames
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.comparison import compare, entries, faster, table
from measuring.line_up import OURS, TUNED, add_tuned, load_all, quantize_all
from measuring.peer_goals import goals, time_ratios
from measuring.peers import PEERS
from measuring.record import Record, Watch, finish

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.choice import choose
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError
from etc_edge.core.progress import console_progress
from etc_edge.data.dataset import open_dataset
from etc_edge.stages.evaluate import check_classes

SPEED_GOAL_NETWORK, SPEED_GOAL_SIZE_HW = "pspnet18", (360, 480)
TIMED_FRAMES = 8


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--data", required=True, help="Data set with labelled clips, and the frames to calibrate on.")
@click.option("--finetuned", type=click.Path(path_type=Path), metavar="TUNED.etc", help="Our fine-tuned INT8, too.")
@click.option("--split", default="val", show_default=True, help="Split to measure on.")
@click.option("--peer", "peers", multiple=True, type=click.Choice([*PEERS, "none"]), help="Left out: every one.")
@click.option("--frames", type=click.IntRange(min=1), help="Evaluate on so many frames; left out, all.")
@click.option("--calibration-frames", type=click.IntRange(min=1), help="Left out: the frames that INT8.etc names.")
@click.option("--rounds", type=click.IntRange(min=1), default=60, show_default=True, help="Rounds of timing.")
@threads_and_json
def main(
    fp32: Path,
    int8: Path,
    finetuned: Path | None,
    data: str,
    split: str,
    peers: tuple[str, ...],
    frames: int | None,
    calibration_frames: int | None,
    rounds: int,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Compare FP32, our INT8 and other quantizers' INT8: mIoU, tc, flicker, agreement, milliseconds."""
    cores, progress = keep_to_cores(threads), console_progress()
    watch, dataset = Watch(cores), open_dataset(data)
    float_bundle, int8_bundle = Bundle.open(fp32), Bundle.open(int8)
    bundles = {"fp32": float_bundle, OURS: int8_bundle}
    if finetuned is not None:
        bundles[TUNED] = Bundle.open(finetuned)
    check_classes(float_bundle.labels, dataset, progress)
    network, size_hw = _network(float_bundle), float_bundle.preprocessing.size_hw
    wanted = [name for name in (peers or PEERS) if name != "none"]
    recipe = with_frames(recipe_of(int8_bundle), calibration_frames)
    with tempfile.TemporaryDirectory() as folder:
        # Ours is made again with the others, to know how long it takes; the bundle that was given is what is measured.
        made = quantize_all(float_bundle, recipe, data, wanted, Path(folder), progress)
        if finetuned is not None:
            add_tuned(made, bundles[TUNED])
        contenders = load_all(bundles, made, cores, Path(folder), progress)
        timed = split_frames(dataset, split, TIMED_FRAMES, size_hw)
        measured = compare(contenders, dataset, split, timed, frames, rounds, progress)
    chosen = choose(int8_bundle, EngineOptions(threads=cores), progress)[1].backend
    fastest_fp32 = faster([one for one in measured if one.contender.maker == "fp32"])
    ratios = time_ratios(measured, fastest_fp32, chosen)
    with_speed = (network, size_hw) == (SPEED_GOAL_NETWORK, SPEED_GOAL_SIZE_HW)
    finish(
        Record(
            benchmark="int8_peers",
            title=f"{float_bundle.name} on {dataset.name}: INT8 by etc-edge and by others",
            settings={
                "network": network,
                "size_hw": list(size_hw),
                "data": dataset.name,
                "split": split,
                "frames": frames,
                "calibration_frames": made.frames,
                "rounds": rounds,
                "peers": {name: PEERS[name].described for name in wanted},
            },
            figures={
                "networks": entries(measured, made.seconds),
                "faster_fp32": fastest_fp32.contender.backend,
                "chosen_backend": chosen,
                "ratios": ratios,
                "peak_memory_bytes": made.peak_memory_bytes,
            },
            table=table(measured, fastest_fp32, made.seconds),
            goals=goals(measured, ratios, chosen, with_speed),
            notes=[
                *_same_base(float_bundle, int8_bundle, made.ours),
                *([] if finetuned is None else _same_graph(float_bundle, bundles[TUNED])),
                *made.notes,
                f"run chooses {chosen} for our INT8 on this machine",
            ],
            conditions=watch.conditions(**made.versions),
        ),
        json_path,
    )


def _network(bundle: Bundle) -> str:
    """The network's name in our table, or the bundle's where it comes from elsewhere."""
    return str(bundle.manifest.recipe.get("export", {}).get("network", bundle.name))


def _same_base(fp32: Bundle, given: Bundle, again: Bundle) -> list[str]:
    """What has to be said where the INT8 bundle is not what quantizing the FP32 one now gives."""
    other_graph = _same_graph(fp32, given)
    if other_graph:
        return other_graph
    if given.manifest.files["model.onnx"] != again.manifest.files["model.onnx"]:
        return [f"{given.name} differs from what quantizing on these frames gives now: other frames, or versions"]
    return []


def _same_graph(fp32: Bundle, given: Bundle) -> list[str]:
    """What has to be said where an INT8 bundle was not made from the FP32 one's graph."""
    if given.ranges_path is None:
        raise BundleError(f"Found no ranges in {given.path}, expected an INT8 bundle that quantize made.")
    if msgspec.json.decode(given.ranges_path.read_bytes())["graph"] != fp32.manifest.files["model.onnx"]:
        return [f"{given.path.stem} was made from another graph than {fp32.name}, from which the others were made"]
    return []


if __name__ == "__main__":
    main()
