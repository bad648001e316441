"""One pass over the data, exact extremes, memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.load import copy_model
from etc_edge.quantization.calibrate import channel_peaks, choose_ranges, observe
from etc_edge.quantization.observers.minmax import minmax
from etc_edge.quantization.placement import place
from tests.small_networks import BLOCKS, UInt8, deployed, frames, run


@pytest.mark.parametrize("block", BLOCKS)
def test_extremes_are_those_of_the_tensors_themselves(block: str) -> None:
    model, logits = deployed(block)
    names = list(place(model, logits).tensors)
    statistics = observe(model, names, frames(3), threads=1)
    everything = copy_model(model)
    everything.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    seen = [run(everything, {"frame": frame[None]}, names, optimized=True) for frame in frames(3)]
    for name, tensors in zip(names, zip(*seen, strict=True), strict=True):
        found = statistics[name]
        # The engine may fuse other operators with probes in the graph, which rounds otherwise.
        slack = 1e-5 * max(float(np.abs(tensor).max()) for tensor in tensors)
        assert found.high == pytest.approx(max(tensor.max() for tensor in tensors), abs=slack)
        lowest = min(tensor.min() for tensor in tensors)
        assert min(found.low, 0) == pytest.approx(min(lowest, 0), abs=slack)
        assert found.frames == 3


def test_channel_peaks_are_those_of_the_tensors_themselves() -> None:
    model, _ = deployed("prelu")
    names = [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "PRelu")]
    peaks = channel_peaks(model, names, frames(3), threads=1)
    everything = copy_model(model)
    everything.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    seen = [run(everything, {"frame": frame[None]}, names, optimized=True) for frame in frames(3)]
    for name, tensors in zip(names, zip(*seen, strict=True), strict=True):
        expected = np.abs(np.concatenate(tensors)).max(axis=(0, 2, 3))
        assert peaks[name] == pytest.approx(expected, rel=1e-4)


def test_frames_are_read_once_whatever_the_number_of_tensors() -> None:
    model, logits = deployed("concat")
    read = []

    def once() -> Iterator[UInt8]:
        for frame in frames(4):
            read.append(1)
            yield frame

    statistics = observe(model, place(model, logits).tensors, once(), threads=1)
    assert len(read) == 4
    assert {found.frames for found in statistics.values()} == {4}


def test_memory_does_not_grow_with_the_frames() -> None:
    model, logits = deployed("concat")
    names = place(model, logits).tensors

    def peak(count: int) -> int:
        tracemalloc.start()
        observe(model, names, frames(count), threads=1)
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(2)
    # One frame's activations are 0.5 MB here.
    assert peak(20) - peak(4) < 200_000


def test_no_frames() -> None:
    model, logits = deployed("relu")
    with pytest.raises(CalibrationError, match="Found no frames to calibrate on"):
        observe(model, place(model, logits).tensors, iter(()))


def with_weight(value: float) -> tuple[onnx.ModelProto, str]:
    model = copy_model(deployed("relu")[0])
    stem = next(node for node in model.graph.node if node.op_type == "Conv" and not node.name.startswith("preprocess"))
    for tensor in model.graph.initializer:
        if tensor.name == stem.input[1]:
            weight = numpy_helper.to_array(tensor).copy()
            weight[0, 0] = value
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
    return model, stem.output[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_a_tensor_that_is_not_finite_is_named(value: float) -> None:
    model, tensor = with_weight(value)
    with pytest.raises(CalibrationError, match=f"In tensor '{tensor}': .*not finite"):
        observe(model, [tensor], frames(1))
    with pytest.raises(CalibrationError, match=f"In tensor '{tensor}': .*not finite"):
        channel_peaks(model, [tensor], frames(1))


def test_tensors_that_pass_codes_through_share_a_range() -> None:
    model, logits = deployed("max_pool")
    placement = place(model, logits)
    statistics = observe(model, [name for name in placement.tensors if name not in placement.shared], frames(1))
    ranges = choose_ranges(statistics, placement, minmax, "affine")
    assert list(ranges) == list(placement.tensors)
    assert placement.shared
    for name, source in placement.shared.items():
        assert ranges[name] == ranges[source]
