"""INT8 by etc-edge beside INT8 by other quantizers: from one FP32 graph, on the same frames, on the same cores.

python benchmarks/int8_peers.py FP32.etc INT8.etc --data camvid --json peers.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import msgspec
from measuring.calibration_frames import recipe_of, split_frames, with_frames
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.comparison import Measured, compare, entries, faster, ratio, table
from measuring.line_up import OURS, load_all, quantize_all
from measuring.peers import PEERS
from measuring.record import Goal, Record, Watch, finish

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.choice import choose
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError
from etc_edge.core.progress import console_progress
from etc_edge.data.dataset import open_dataset
from etc_edge.stages.evaluate import check_classes

SPEED_GOAL = 3.6
SPEED_GOAL_NETWORK, SPEED_GOAL_SIZE_HW = "pspnet18", (360, 480)
PEER_TIME_GOAL = 1.05
DROP_GOAL = 0.005
TIMED_FRAMES = 8


@click.command(cls=Benchmark)
@click.argument("fp32", type=click.Path(path_type=Path), metavar="FP32.etc")
@click.argument("int8", type=click.Path(path_type=Path), metavar="INT8.etc")
@click.option("--data", required=True, help="Data set with labelled clips, and the frames to calibrate on.")
@click.option("--split", default="val", show_default=True, help="Split to measure on.")
@click.option("--peer", "peers", multiple=True, type=click.Choice([*PEERS, "none"]), help="Left out: every one.")
@click.option("--frames", type=click.IntRange(min=1), help="Evaluate on so many frames; left out, all.")
@click.option("--calibration-frames", type=click.IntRange(min=1), help="Left out: the frames that INT8.etc names.")
@click.option("--rounds", type=click.IntRange(min=1), default=60, show_default=True, help="Rounds of timing.")
@threads_and_json
def main(
    fp32: Path,
    int8: Path,
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
    check_classes(float_bundle.labels, dataset, progress)
    network, size_hw = _network(float_bundle), float_bundle.preprocessing.size_hw
    wanted = [name for name in (peers or PEERS) if name != "none"]
    recipe = with_frames(recipe_of(int8_bundle), calibration_frames)
    with tempfile.TemporaryDirectory() as folder:
        # Ours is made again with the others, to know how long it takes; the bundle that was given is what is measured.
        made = quantize_all(float_bundle, recipe, data, wanted, Path(folder), progress)
        contenders = load_all(float_bundle, int8_bundle, made, cores, Path(folder), progress)
        timed = split_frames(dataset, split, TIMED_FRAMES, size_hw)
        measured = compare(contenders, dataset, split, timed, frames, rounds, progress)
    chosen = choose(int8_bundle, EngineOptions(threads=cores), progress)[1].backend
    fastest_fp32 = faster([one for one in measured if one.contender.maker == "fp32"])
    ratios = _ratios(measured, fastest_fp32, chosen)
    goals = _goals(measured, ratios, chosen, (network, size_hw) == (SPEED_GOAL_NETWORK, SPEED_GOAL_SIZE_HW))
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
            goals=goals,
            notes=[
                *_same_base(float_bundle, int8_bundle, made.ours),
                *made.notes,
                f"run chooses {chosen} for our INT8 on this machine",
            ],
            conditions=watch.conditions(**made.versions),
        ),
        json_path,
    )


def _ratios(measured: list[Measured], fastest_fp32: Measured, chosen: str) -> dict[str, float]:
    """Times as multiples of one another's: FP32 to ours, and ours to each peer, on our choice and on its engine."""
    ours = {one.contender.backend: one for one in measured if one.contender.maker == OURS}
    ratios = {f"FP32 on {fastest_fp32.contender.backend} / ours on {chosen}": 1 / ratio(ours[chosen], fastest_fp32)}
    for one in measured:
        peer = one.contender
        for backend in dict.fromkeys((chosen, peer.backend)) if peer.maker in PEERS else ():
            if backend in ours:
                ratios[f"ours on {backend} / {peer.maker} on {peer.backend}"] = ratio(ours[backend], one)
    return ratios


def _goals(measured: list[Measured], ratios: dict[str, float], chosen: str, with_speed: bool) -> list[Goal]:
    choice = next(one for one in measured if one.contender.maker == OURS and one.contender.backend == chosen)
    (speed_name, speed), *peer_times = ratios.items()
    goals = [Goal(name=f"time: {speed_name}", value=speed, sense="at least", bound=SPEED_GOAL)] if with_speed else []
    for name, bound in (("FP32", DROP_GOAL), *((peer, 0.0) for peer in PEERS)):
        for one in measured:
            if one is measured[0] if name == "FP32" else one.contender.maker == name:
                drops = {"mIoU": choice.miou_drop(one), "tc": choice.tc_drop(one)}
                goals += [
                    Goal(name=f"{figure}: {name} − ours", value=value, sense="at most", bound=bound)
                    for figure, value in drops.items()
                ]
    return goals + [
        Goal(name=f"time: {name}", value=value, sense="at most", bound=PEER_TIME_GOAL) for name, value in peer_times
    ]


def _network(bundle: Bundle) -> str:
    """The network's name in our table, or the bundle's where it comes from elsewhere."""
    return str(bundle.manifest.recipe.get("export", {}).get("network", bundle.name))


def _same_base(fp32: Bundle, given: Bundle, again: Bundle) -> list[str]:
    """What has to be said where the INT8 bundle is not what quantizing the FP32 one now gives."""
    if given.ranges_path is None:
        raise BundleError(f"Found no ranges in {given.path}, expected an INT8 bundle that quantize made.")
    if msgspec.json.decode(given.ranges_path.read_bytes())["graph"] != fp32.manifest.files["model.onnx"]:
        return [f"{given.name} was made from another graph than {fp32.name}, from which the others were made"]
    if given.manifest.files["model.onnx"] != again.manifest.files["model.onnx"]:
        return [f"{given.name} differs from what quantizing on these frames gives now: other frames, or versions"]
    return []


if __name__ == "__main__":
    main()
