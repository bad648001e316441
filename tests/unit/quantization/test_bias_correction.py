"""Bias correction against the means of outputs that numpy and ONNX Runtime compute."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import CalibrationError
from etc_edge.graph.view import GraphView
from etc_edge.quantization.bias_correction import apply_corrections, bias_corrections, correctable
from etc_edge.quantization.calibrate import channel_means
from etc_edge.quantization.placement import place
from etc_edge.quantization.ranges import load_ranges
from etc_edge.quantization.weights import tensor_scale
from etc_edge.stages.quantize import quantize
from tests.small_networks import Builder, deployed, frames, run
from tests.street_models import DATA, RECIPE, float_bundle


@pytest.mark.parametrize(("group", "bias"), [(1, True), (1, False), (4, True), (8, False)])
def test_outputs_keep_their_means(group: int, bias: bool) -> None:
    """A kernel of one pixel has no borders: there −ε·E[x] is exact."""
    build = Builder(3)
    build.channels["x"] = 8
    output = build.conv("x", 8, kernel=1, group=group, bias=bias)
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 5, 6]) for name in ("x", output)]
    graph = helper.make_graph(build.nodes, "one", values[:1], values[1:], build.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    node = model.graph.node[0]
    weight = GraphView(model).constant(node.input[1])
    assert weight is not None
    scale = np.array([np.abs(weight).max() / 5], np.float32)  # five levels: a rounding that shows
    x = np.random.default_rng(0).normal(1.0, 1.0, (1, 8, 5, 6)).astype(np.float32)
    corrections = bias_corrections(model, {node.name: scale}, {"x": x.mean((0, 2, 3))})
    corrected = apply_corrections(model, corrections)
    rounded = numpy_helper.from_array(np.asarray(np.round(weight / scale) * scale, np.float32), node.input[1])
    shifts = []
    for one in (model, corrected):
        coarse = type(one)()
        coarse.CopyFrom(one)
        for tensor in coarse.graph.initializer:
            if tensor.name == node.input[1]:
                tensor.CopyFrom(rounded)
        difference = run(coarse, {"x": x}, [output])[0] - run(model, {"x": x}, [output])[0]
        shifts.append(np.abs(difference.mean((0, 2, 3))).max())
    assert shifts[0] > 0.05
    assert shifts[1] < 1e-6


def test_means_are_those_of_every_pixel() -> None:
    model, logits = deployed("depthwise")
    inputs = correctable(model, place(model, logits))
    names = sorted(set(inputs.values()))
    found = channel_means(model, names, frames(3), threads=1)
    copy = type(model)()
    copy.CopyFrom(model)
    copy.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    seen = [run(copy, {"frame": frame[None]}, names) for frame in frames(3)]
    for number, name in enumerate(names):
        np.testing.assert_allclose(found[name], np.mean([one[number] for one in seen], (0, 1, 3, 4)), rtol=1e-4)
    with pytest.raises(CalibrationError, match="Found no frames to correct biases on"):
        channel_means(model, names, [], threads=1)


def test_one_scale_covers_every_value() -> None:
    weight = np.array([[-3.0, 0.5], [1.0, 2.0]], np.float32)
    assert tensor_scale(weight, 0) == pytest.approx(3.0 / 127)
    assert tensor_scale(np.zeros((2, 2), np.float32), 0) > 0


def test_ranges_keep_what_was_corrected(tmp_path: Path) -> None:
    floating = float_bundle(tmp_path, "depthwise")
    recipe = msgspec.structs.replace(RECIPE, weights="tensor", bias_correction=True)
    first = quantize(floating.path, tmp_path / "a.etc", recipe, DATA).bundle
    assert first.ranges_path is not None
    ranges = load_ranges(first.ranges_path, floating.manifest.files["model.onnx"])
    assert ranges.weights == "tensor"
    assert set(ranges.bias_correction) == {"conv_0", "conv_2", "conv_4", "conv_6"}
    again = quantize(floating.path, tmp_path / "b.etc", RECIPE, ranges=first.ranges_path).bundle
    assert again.model_path.read_bytes() == first.model_path.read_bytes()
    assert again.manifest.recipe["quantize"]["bias_correction"] is True
    edited = msgspec.structs.replace(ranges, bias_correction={"conv_0": [0.0]})
    (tmp_path / "ranges.json").write_bytes(msgspec.json.encode(edited))
    with pytest.raises(CalibrationError, match="Found 1 corrections for the bias of 'conv_0', expected 32"):
        quantize(floating.path, tmp_path / "c.etc", RECIPE, ranges=tmp_path / "ranges.json")


def test_frames_that_are_held_back_are_not_looked_at(tmp_path: Path) -> None:
    floating = float_bundle(tmp_path)
    held = frozenset({("street-1000000", 0), ("street-1000001", 2)})
    report = quantize(floating.path, tmp_path / "q.etc", RECIPE, DATA, keep_out=held)
    assert report.frames == 4
    everything = frozenset((f"street-{1000000 + clip}", index) for clip in range(2) for index in range(3))
    with pytest.raises(CalibrationError, match="beside those that are held back"):
        quantize(floating.path, tmp_path / "r.etc", RECIPE, DATA, keep_out=everything)
