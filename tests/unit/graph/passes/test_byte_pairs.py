from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import helper

from etc_edge.graph.load import check_model, copy_model
from etc_edge.graph.passes.byte_pairs import LARGEST_SUM, largest_pair_sums, limit_byte_pairs
from etc_edge.graph.qdq import WEIGHTED
from etc_edge.graph.view import GraphView
from tests.quantized_networks import agreement, quantized
from tests.small_networks import BLOCKS


def weights(model: onnx.ModelProto) -> list[tuple[onnx.NodeProto, np.ndarray, np.ndarray]]:
    view = GraphView(model)
    found = []
    for node in model.graph.node:
        dequantize = view.producer.get(node.input[WEIGHTED[node.op_type]]) if node.op_type in WEIGHTED else None
        if dequantize is not None and view.is_constant(dequantize.input[0]):
            found.append((node, view.constant(dequantize.input[0]), view.constant(dequantize.input[1])))
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("block", BLOCKS)
def test_no_pair_of_any_network_saturates(block: str) -> None:
    model, logits, _ = quantized(block)
    limited = copy_model(model)
    limit_byte_pairs(limited)
    check_model(limited, "here")
    assert weights(limited)
    for node, codes, _ in weights(limited):
        assert largest_pair_sums(codes, node).max() <= LARGEST_SUM
    share, _ = agreement(model, limited, logits)
    assert share >= 0.93, "codes are up to a bit coarser"


def test_a_channel_loses_no_more_than_its_neighbours_ask() -> None:
    """Channel 0: 100 + 27 = 127 stays. Channel 1: 127 + 127 is halved. Channel 2: opposite signs cancel."""
    conv = helper.make_node("Conv", ["x", "w"], ["y"])
    codes = np.array([[100, 27, 1, 127], [127, 127, 3, 4], [127, -127, 90, 37]], np.int8).reshape(3, 4, 1, 1)
    assert largest_pair_sums(codes, conv).tolist() == [128, 254, 127]


@given(arrays.arrays(np.int8, (3, 5, 2, 2), elements=st.integers(-127, 127)))
def test_pairs_of_a_convolution_by_hand(codes: np.ndarray) -> None:
    found = largest_pair_sums(codes, helper.make_node("Conv", ["x", "w"], ["y"]))
    for channel in range(3):
        sums = [0]
        for tap in np.ndindex(2, 2):
            column = [int(code) for code in codes[channel][:, tap[0], tap[1]]] + [0]
            for first, second in zip(column[::2], column[1::2], strict=True):
                sums += [max(first, 0) + max(second, 0), max(-first, 0) + max(-second, 0)]
        assert found[channel] == max(sums)


@pytest.mark.parametrize(
    ("kind", "shape", "options"),
    [
        ("ConvTranspose", (4, 3, 2, 2), {"group": 1}),
        ("ConvTranspose", (4, 3, 2, 2), {"group": 2}),
        ("MatMul", (6, 3), {}),
        ("Gemm", (3, 6), {"transB": 1}),
    ],
)
def test_every_kind_of_weight(kind: str, shape: tuple[int, ...], options: dict[str, int]) -> None:
    node = helper.make_node(kind, ["x", "w"], ["y"], **options)
    assert largest_pair_sums(np.full(shape, 127, np.int8), node).tolist() == [254, 254, 254]


def test_depthwise_weights_have_no_neighbours() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], group=5)
    assert largest_pair_sums(np.full((5, 1, 3, 3), -127, np.int8), node).tolist() == [127] * 5
