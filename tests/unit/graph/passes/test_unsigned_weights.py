from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.lower import PASSES
from etc_edge.graph.passes.unsigned_weights import shift_weights_to_unsigned
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView
from tests.quantized_networks import quantized, unseen_frame
from tests.small_networks import BLOCKS, labels_and_logits


@pytest.mark.parametrize("block", BLOCKS)
def test_numbers_are_the_same_to_the_last_bit(block: str) -> None:
    model, logits, _ = quantized(block)
    shifted = copy_model(model)
    shift_weights_to_unsigned(shifted)
    check_model(shifted, "here")
    frame = unseen_frame()
    labels, values = labels_and_logits(model, logits, frame)
    other_labels, other_values = labels_and_logits(shifted, logits, frame)
    assert np.array_equal(values, other_values)
    assert np.array_equal(labels, other_labels)


@pytest.mark.parametrize("block", BLOCKS)
def test_no_quantized_weight_stays_signed(block: str) -> None:
    model = copy_model(quantized(block)[0])
    shift_weights_to_unsigned(model)
    view = GraphView(model)
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            dequantize = view.producer.get(node.input[WEIGHTED[node.op_type]])
            codes = view.constant(dequantize.input[0]) if dequantize is not None else None
            assert codes is None or codes.dtype == np.uint8


def test_a_sum_beyond_16_bits() -> None:
    """255 · 127 + 255 · 127 = 64,770 is more than the 32,767 at which the byte instruction of x86 stops."""
    channels, size = 64, 8
    node = helper.make_node
    constants = {
        "step": np.float32(1.0),
        "zero": np.uint8(0),
        "codes": np.full((4, channels, 1, 1), 127, np.int8),
        "scales": np.full(4, 1.0, np.float32),
        "zeros": np.zeros(4, np.int8),
        "coarse": np.float32(channels * 127),
    }
    nodes = [
        node("QuantizeLinear", ["data", "step", "zero"], ["q"], name="q"),
        node("DequantizeLinear", ["q", "step", "zero"], ["d"], name="d"),
        node("DequantizeLinear", ["codes", "scales", "zeros"], ["w"], name="w", axis=0),
        node("Conv", ["d", "w"], ["sum"], name="conv"),
        node("QuantizeLinear", ["sum", "coarse", "zero"], ["r"], name="r"),
        node("DequantizeLinear", ["r", "coarse", "zero"], ["out"], name="out"),
    ]
    shape = [1, channels, size, size]
    graph = helper.make_graph(
        nodes,
        "wide",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 4, size, size])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    )
    for apply in PASSES["onnxruntime-saturating"]:
        apply(model)
    data = np.full(shape, 255.0, np.float32)
    (out,) = run_reference(model.SerializeToString(), {"data": data}, optimized=True)
    assert np.array_equal(out, np.full((1, 4, size, size), 255.0 * 127 * channels, np.float32))
