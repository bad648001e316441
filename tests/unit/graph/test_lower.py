"""Lowered graphs on the engines that they are for, with everything that those engines optimise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import pytest

from etc_edge.backends.device import lowering_here
from etc_edge.core.environment import byte_products_saturate
from etc_edge.graph.load import check_model, copy_model, to_bytes
from etc_edge.graph.lower import PASSES, Target, lower
from etc_edge.graph.qdq import pairs
from etc_edge.graph.view import GraphView
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, deployed, frames, run

SCHEMES = ["affine", "symmetric"]
FRAMES = 2

# Compiling takes OpenVINO its time: every network with its own codes, some with those of TensorRT.
ON_OPENVINO = [(block, "affine") for block in BLOCKS] + [
    (block, "symmetric") for block in ("relu", "add", "concat", "max_pool")
]

HERE = lowering_here("openvino")

# Every network in one child, since a vendor's library may crash on one of them.
OPENVINO = """
import sys
from pathlib import Path
import numpy as np
from etc_edge.backends.openvino.engine import properties
from etc_edge.backends.openvino.vendor import shared_core

core = shared_core()
folder = Path(sys.argv[1])
frames = np.load(folder / "frames.npy")
for file in sorted(folder.glob("*.onnx")):
    model = core.compile_model(core.read_model(file), "CPU", properties(1))
    np.save(file.with_suffix(".npy"), np.concatenate([model([frame[None]])[0] for frame in frames]))
"""


def labels(model: onnx.ModelProto, optimized: bool = False) -> Any:
    """uint8 (frames, H, W)."""
    unseen = frames(FRAMES, seed=99)
    return np.concatenate([run(model, {"frame": frame[None]}, ["labels"], optimized)[0] for frame in unseen])


ON_ONNX_RUNTIME: list[Target] = ["onnxruntime-saturating"]
if not byte_products_saturate():
    ON_ONNX_RUNTIME.append("onnxruntime")


@pytest.mark.parametrize("target", ON_ONNX_RUNTIME)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("block", BLOCKS)
def test_onnx_runtime_gives_the_same_labels(block: str, scheme: Any, target: Target) -> None:
    model = quantized(block, scheme)[0]
    lowered = lower(model, target)
    check_model(lowered, "here")
    assert np.mean(labels(lowered, optimized=True) == labels(model)) >= 0.99


@pytest.fixture(scope="module")
def openvino_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("openvino")
    np.save(folder / "frames.npy", np.stack(list(frames(FRAMES, seed=99))))
    for block, scheme in ON_OPENVINO:
        (folder / f"{block}-{scheme}.onnx").write_bytes(to_bytes(lower(quantized(block, scheme)[0], HERE)))  # type: ignore[arg-type]
    subprocess.run([sys.executable, "-c", OPENVINO, str(folder)], check=False)
    return folder


@pytest.mark.parametrize(("block", "scheme"), ON_OPENVINO)
def test_openvino_gives_the_same_labels(block: str, scheme: Any, openvino_labels: Path) -> None:
    file = openvino_labels / f"{block}-{scheme}.npy"
    assert file.is_file(), "OpenVINO refused this graph, or crashed on it or on one before it"
    found, stated = np.load(file), labels(quantized(block, scheme)[0])
    # Its fusions round less often than the graph says, which shows where two classes are nearly equal: it is no
    # further from the float network for that.
    assert np.mean(found == stated) >= 0.94
    floating = labels(deployed(block)[0])
    assert np.mean(found == floating) >= np.mean(stated == floating) - 0.01


@pytest.mark.parametrize("target", get_args(Target))
def test_a_float_graph_computes_the_same_on_every_target(target: Target) -> None:
    model = deployed("resize_half_pixel")[0]
    lowered = lower(model, target)
    check_model(lowered, "here")
    (frame,) = frames(1)
    first, second = (run(one, {"frame": frame[None]}, ["labels"])[0] for one in (model, lowered))
    assert np.mean(first == second) >= 0.999


@pytest.mark.parametrize("target", get_args(Target))
def test_the_bundles_graph_is_not_changed(target: Target) -> None:
    model = quantized("concat")[0]
    before = copy_model(model)
    lower(model, target)
    assert model == before


def test_tensorrt_is_given_signed_symmetric_codes() -> None:
    for block in BLOCKS:
        lowered = lower(quantized(block, "symmetric")[0], "tensorrt")
        check_model(lowered, "here")
        assert all(not pair.grid.unsigned and pair.grid.zero_point == 0 for pair in pairs(GraphView(lowered)))
    assert set(PASSES) == set(get_args(Target))
