"""TensorRT on a real GPU: labels, precisions, frames in flight, CUDA graph, layer times, memory given back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from click.testing import CliRunner

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.board import read_board
from etc_edge.backends.cache import compile_into
from etc_edge.backends.compiled import Compiled
from etc_edge.backends.onnxruntime.tensorrt_numerics import NUMERICS
from etc_edge.backends.table import load_compiler
from etc_edge.cli.inspect import command as inspect
from etc_edge.core.bundle import Bundle
from etc_edge.stages.demo import MODEL
from tests.gpu.nvidia import lacking
from tests.gpu.shipped_network import quantized

if TYPE_CHECKING:
    from etc_edge.backends.tensorrt.engine import TensorRtEngine
    from etc_edge.graph.tensorrt import TensorRtPrecision

LACKING = lacking("tensorrt", "pycuda.driver", "onnx", "onnxruntime")

pytestmark = pytest.mark.skipif(LACKING is not None, reason=f"TensorRT cannot run: {LACKING}")

ROUNDS = 50
# Of pixels, with what ONNX Runtime computes of the graph that TensorRT is given.
NEAR = {"int8": 0.98, "fp16": 0.99, "fp32": 0.999}
PRECISIONS = tuple(NEAR)

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """The shipped network in FP32, and in INT8 by calibration."""
    shipped = Bundle.open(MODEL)
    return {"fp32": shipped, "fp16": shipped, "int8": quantized(tmp_path_factory.mktemp("int8-bundle"))}


@pytest.fixture(scope="module")
def compiled(bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiled]:
    """An engine of each precision."""
    found = {}
    for precision, bundle in bundles.items():
        folder = tmp_path_factory.mktemp(precision) / "engine"
        found[precision] = compile_into(folder, bundle, "tensorrt", EngineOptions(threads=1, precision=precision))
    return found


def opened(form: Compiled) -> TensorRtEngine:
    return cast("TensorRtEngine", form.load())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_labels_are_those_that_were_foretold(
    precision: TensorRtPrecision,
    bundles: dict[str, Bundle],
    compiled: dict[str, Compiled],
    tmp_path: Path,
    record_property: Record,
) -> None:
    numerics, options = load_compiler(NUMERICS[precision]), EngineOptions(threads=1)
    numerics.compile(bundles[precision], tmp_path, options)
    frames = bundles[precision].selftest().frames
    with closing(numerics.load(tmp_path, options)) as foretold, closing(opened(compiled[precision])) as engine:
        agreement = float(np.mean([engine.run(frame) == foretold.run(frame) for frame in frames]))
    record_property("agreement with what was foretold", f"{agreement:.4%}")
    assert agreement >= NEAR[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_layers_have_the_precision_that_was_asked_for(
    precision: str, compiled: dict[str, Compiled], record_property: Record
) -> None:
    with closing(opened(compiled[precision])) as engine:
        weighted = [layer.precision for layer in engine.layers() if layer.weighted]
    record_property("layers with weights in it", f"{weighted.count(precision)} of {len(weighted)}")
    assert weighted.count(precision) > len(weighted) / 2


def test_frames_in_flight_are_each_their_own(bundles: dict[str, Bundle], compiled: dict[str, Compiled]) -> None:
    frames = [*bundles["int8"].selftest().frames] * 4
    with closing(opened(compiled["int8"])) as engine:
        alone = [engine.run(frame) for frame in frames]
        np.testing.assert_array_equal(list(engine.stream(frames)), alone)


def test_a_cuda_graph_gives_the_same_labels(
    bundles: dict[str, Bundle], compiled: dict[str, Compiled], monkeypatch: pytest.MonkeyPatch, record_property: Record
) -> None:
    from etc_edge.backends.tensorrt.cuda_graph import DriverGraphs

    if DriverGraphs.find() is None:
        pytest.skip("the driver has no graphs that this can use")
    frames = bundles["fp16"].selftest().frames
    with closing(opened(compiled["fp16"])) as engine:
        assert engine.captured
        labels = [engine.run(frame) for frame in frames]
        with_graph = median_ms(engine, frames[0])
    monkeypatch.setattr(DriverGraphs, "find", classmethod(lambda cls: None))
    with closing(opened(compiled["fp16"])) as engine:
        assert not engine.captured
        np.testing.assert_array_equal([engine.run(frame) for frame in frames], labels)
        record_property("ms a frame with and without", f"{with_graph:.2f}, {median_ms(engine, frames[0]):.2f}")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_layer_is_timed(
    precision: str, bundles: dict[str, Bundle], compiled: dict[str, Compiled], record_property: Record
) -> None:
    frame = bundles[precision].selftest().frames[0]
    with closing(opened(compiled[precision])) as engine:
        times_ms = engine.layer_times_ms(frame)
        whole_ms = median_ms(engine, frame)
    record_property("ms a frame (p50), ms in layers", f"{whole_ms:.2f}, {sum(times_ms.values()):.2f}")
    assert times_ms
    assert all(time_ms >= 0 for time_ms in times_ms.values())


def test_inspect_prints_layers_with_times(compiled: dict[str, Compiled]) -> None:
    result = CliRunner().invoke(inspect, [str(compiled["int8"].path)])
    assert result.exit_code == 0, result.output
    assert "int8" in result.output


def test_device_memory_is_given_back(compiled: dict[str, Compiled]) -> None:
    from etc_edge.backends.tensorrt.cuda import Gpu

    opened(compiled["fp16"]).close()
    with closing(Gpu()) as gpu, gpu:
        before = gpu.free_memory_bytes()
        for _ in range(5):
            opened(compiled["fp16"]).close()
        assert before - gpu.free_memory_bytes() <= 4 << 20


def test_torch_keeps_its_gpu(bundles: dict[str, Bundle], compiled: dict[str, Compiled]) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch uses no GPU")
    numbers = torch.arange(1000, device="cuda")
    with closing(opened(compiled["fp16"])) as engine:
        engine.run(bundles["fp16"].selftest().frames[0])
        assert int(numbers.sum()) == 499500
    assert int((numbers * 2).sum()) == 999000


@pytest.mark.skipif(read_board().dla_cores == 0, reason="no deep learning accelerator")
def test_an_accelerator_runs_what_it_can(bundles: dict[str, Bundle], tmp_path: Path, record_property: Record) -> None:
    options = EngineOptions(threads=1, precision="fp16", dla_core=0)
    form = compile_into(tmp_path / "engine", bundles["fp16"], "tensorrt", options)
    record_property("note", form.manifest.note)
    with closing(opened(form)) as engine:
        assert any(layer.on_dla for layer in engine.layers())


def median_ms(engine: TensorRtEngine, frame: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """A frame from memory to labels in memory, one at a time."""
    times = []
    for _ in range(ROUNDS):
        begun = perf_counter()
        engine.run(frame)
        times.append((perf_counter() - begun) * 1e3)
    return median(times)
