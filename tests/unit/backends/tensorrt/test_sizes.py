"""A network of open frame size on the simulated TensorRT: one optimisation profile for each size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, EngineError
from etc_edge.core.progress import Silent
from tests.simulated_nvidia.site import JETPACK_6_0, JETPACK_6_2, NEWEST, simulated
from tests.tiny_bundle import color_frame, write_tiny_bundle
from tests.unit.backends.conftest import ONE_THREAD

SIZES_HW = ((32, 48), (64, 96))


def opened_size(model: bytes) -> bytes:
    """The colour network for frames of any size: it doubles what it has instead of making it a certain size."""
    opened = onnx.load_from_string(model)
    del opened.graph.value_info[:]
    for info in (opened.graph.input[0], opened.graph.output[0]):
        height, width = info.type.tensor_type.shape.dim[1:3]
        height.dim_param, width.dim_param = "h", "w"
    (resize,) = (node for node in opened.graph.node if node.op_type == "Resize")
    opened.graph.initializer.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"))
    del resize.input[2:]
    resize.input.append("twice")
    return opened.SerializeToString()


@pytest.mark.parametrize("version", [JETPACK_6_0, JETPACK_6_2, NEWEST])
def test_labels_of_every_size_are_those_of_a_network_of_that_size(version: str, bundle: Bundle, tmp_path: Path) -> None:
    with simulated(tmp_path / "site", version):
        from etc_edge.backends.tensorrt.build import build
        from etc_edge.backends.tensorrt.calls import takes_types_from_the_graph
        from etc_edge.backends.tensorrt.cuda import find_gpu
        from etc_edge.backends.tensorrt.engine import TensorRtEngine
        from etc_edge.backends.tensorrt.source import lowered_source
        from tests.simulated_nvidia.gpu import DEVICE

        source = lowered_source(bundle, "fp32", takes_types_from_the_graph())
        source = replace(source, model=opened_size(source.model), input_shape=(1, -1, -1, 3))
        with pytest.raises(CompileError, match="Found DLA core 0"):
            build(source, replace(ONE_THREAD, dla_core=0), find_gpu(), Silent(), SIZES_HW)
        plan = tmp_path / "engine.plan"
        plan.write_bytes(build(source, ONE_THREAD, find_gpu(), Silent(), SIZES_HW).plan)
        engine = TensorRtEngine(plan, 1)
        assert engine.sizes_hw == SIZES_HW
        for size_hw in (*SIZES_HW, SIZES_HW[0]):
            engine.select(size_hw)
            assert engine.size_hw == size_hw
            frame = color_frame(3, size_hw)
            fixed = write_tiny_bundle(tmp_path / f"{size_hw[0]}.etc", size_hw).selftest()
            assert np.mean(engine.run(fixed.frames[0]) == fixed.labels[0]) > 0.99
            np.testing.assert_array_equal(list(engine.stream([frame] * 3)), [engine.run(frame)] * 3)
        with pytest.raises(EngineError, match=r"Found the size \(8, 8\), expected one of \(32, 48\), \(64, 96\)"):
            engine.select((8, 8))
        engine.close()
        assert DEVICE.held() == {}
