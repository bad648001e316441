"""Time from logits at the network's stride to labels at full size, beside ONNX Runtime's on the same cores.

python benchmarks/labels_head.py --json labels_head.json
"""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
from measuring.command import Benchmark, keep_to_cores, threads_and_json
from measuring.record import Goal, Record, Table, Watch, finish
from onnx import TensorProto, helper, numpy_helper

from etc_edge.backends.bilinear import Upsampling
from etc_edge.backends.labels_head import LabelsHead
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError
from etc_edge.frames.preprocess import fit_frame
from etc_edge.frames.source import open_source
from etc_edge.graph.heads import output_logits
from etc_edge.graph.load import load_model, to_bytes
from etc_edge.stages.demo import MODEL

Float = npt.NDArray[np.float32]

REAL_GOAL, RANDOM_GOAL = 1 / 8, 1.0
SETTLE_S = 0.03

# How far the classes that the network does not have stay below those that it has.
ABSENT_BELOW = 8.0


@click.command(cls=Benchmark)
@click.option("--classes", type=click.IntRange(min=2, max=256), default=19, show_default=True)
@click.option("--size", nargs=2, type=click.IntRange(min=1), default=(128, 256), show_default=True, help="Of logits.")
@click.option("--out-size", nargs=2, type=click.IntRange(min=1), default=(1024, 2048), show_default=True)
@click.option("--upsampling", type=click.Choice(["align_corners", "half_pixel"]), default="align_corners")
@click.option("--rounds", type=click.IntRange(min=1), default=15, show_default=True, help="Turns of each side.")
@threads_and_json
def main(
    classes: int,
    size: tuple[int, int],
    out_size: tuple[int, int],
    upsampling: Upsampling,
    rounds: int,
    threads: int | None,
    json_path: Path | None,
) -> None:
    """Compare our head with ONNX Runtime's Resize and ArgMax, in turns, on real logits and on random ones.

    Real logits are those of the shipped network on frames of the synthetic street, put side by side until they have
    the size asked for; classes that it does not have get another frame's logits, well below the others.
    """
    cores = keep_to_cores(threads)
    watch = Watch(cores)
    session = _resize_and_argmax(classes, size, out_size, upsampling, cores)
    head = LabelsHead(size, out_size, upsampling, cores)
    random = np.random.default_rng(0).normal(size=(classes, *size)).astype(np.float32)
    figures: dict[str, Any] = {}
    rows = []
    for name, logits in (("real", _real(classes, size)), ("random", random)):
        peer, ours = [], []
        for _ in range(rounds):
            seconds, expected = _timed(lambda x: session.run(None, {"logits": x[None]})[0][0], logits)
            peer.append(seconds * 1e3)
            seconds, found = _timed(head, logits)
            ours.append(seconds * 1e3)
            if not np.array_equal(found, expected):
                raise EngineError(f"Found other labels than ONNX Runtime's on {name} logits, expected the same.")
        ratio = median(one / other for one, other in zip(ours, peer, strict=True))
        figures[name] = {"ratio": ratio, "ours_ms": median(ours), "onnxruntime_ms": median(peer)}
        rows.append([f"{name} logits", f"{median(peer):.1f}", f"{median(ours):.1f}", f"{ratio:.3f}"])
    head.close()
    figures["ratio"] = figures["real"]["ratio"]
    finish(
        Record(
            benchmark="labels_head",
            title=f"labels head, {classes}×{size[0]}×{size[1]} to {out_size[0]}×{out_size[1]}",
            settings={
                "classes": classes,
                "size_hw": list(size),
                "out_size_hw": list(out_size),
                "upsampling": upsampling,
                "rounds": rounds,
            },
            figures=figures,
            table=Table(["", "ONNX Runtime ms", "ours ms", "ours / ONNX Runtime"], rows),
            goals=[
                Goal(name="real logits", value=figures["ratio"], sense="at most", bound=REAL_GOAL),
                Goal(name="random logits", value=figures["random"]["ratio"], sense="at most", bound=RANDOM_GOAL),
            ],
            notes=["every label is the same on both sides"],
            conditions=watch.conditions(),
        ),
        json_path,
    )


def _timed(run: Any, logits: Float) -> tuple[float, Any]:
    """Seconds of one call after one that does not count."""
    run(logits)
    time.sleep(SETTLE_S)
    begun = time.perf_counter()
    result = run(logits)
    return time.perf_counter() - begun, result


def _resize_and_argmax(
    classes: int, size_hw: tuple[int, int], out_hw: tuple[int, int], upsampling: Upsampling, threads: int
) -> Any:
    nodes = [
        helper.make_node(
            "Resize", ["logits", "", "", "size"], ["full"], mode="linear", coordinate_transformation_mode=upsampling
        ),
        helper.make_node("ArgMax", ["full"], ["best"], axis=1, keepdims=0),
        helper.make_node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes, *size_hw])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, *out_hw])],
        [numpy_helper.from_array(np.array([1, classes, *out_hw], np.int64), "size")],
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])


def _real(classes: int, size_hw: tuple[int, int]) -> Float:
    """Logits of the shipped network, float32 (classes, *size_hw)."""
    bundle = Bundle.open(MODEL)
    graph = output_logits(load_model(bundle.model_path), bundle.manifest.logits)
    session = onnxruntime.InferenceSession(to_bytes(graph), providers=["CPUExecutionProvider"])
    known = len(bundle.labels)
    frame_hw = bundle.preprocessing.size_hw
    values: list[Float] = []
    with open_source(f"synthetic:street?size={frame_hw[0]}x{frame_hw[1]}&seed=5&frames=64") as source:
        for frame in islice(source, 0, 64, 8):
            image = fit_frame(frame.image_rgb, frame_hw)
            values.append(session.run([bundle.manifest.logits], {"frame": image[None]})[0][0])
    layers = []
    for layer in range(-(-classes // known)):
        part = values[layer % 2 :: 2]
        height, width = part[0].shape[1:]
        down, across = -(-size_hw[0] // height), -(-size_hw[1] // width)
        lines = [
            np.concatenate([part[(row * across + column) % len(part)] for column in range(across)], 2)
            for row in range(down)
        ]
        full = np.concatenate(lines, 1)[:, : size_hw[0], : size_hw[1]]
        layers.append(full - ABSENT_BELOW * layer)
    return np.ascontiguousarray(np.concatenate(layers)[:classes], np.float32)


if __name__ == "__main__":
    main()
