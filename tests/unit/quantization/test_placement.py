"""Which operators run in INT8: whole chains through everything that has an INT8 form, and a reason for the rest."""

from __future__ import annotations

import re
from collections.abc import Callable

import onnx
import pytest

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.heads import append_labels_head
from etc_edge.graph.preprocess import prepend_preprocessing
from etc_edge.graph.simplify import simplify
from etc_edge.quantization.calibrate import choose_ranges, observe
from etc_edge.quantization.observers.minmax import minmax
from etc_edge.quantization.placement import Placement, place
from etc_edge.quantization.quantize import quantized_graph
from tests.quantized_networks import agreement
from tests.small_networks import BLOCKS, CHANNELS, CLASSES, SIZE_HW, Block, Builder, deployed, frames, network

AROUND = {"preprocessing", "no float data", "the labels head"}


def deploy(block: Block) -> tuple[onnx.ModelProto, str]:
    with_frames = prepend_preprocessing(simplify(network(block)), Preprocessing(SIZE_HW))
    return append_labels_head(with_frames, CLASSES, SIZE_HW, "align_corners")


def in_float(placement: Placement) -> dict[str, str]:
    """The network's own operators in float, by kind, with the reason."""
    found = {name: reason for name, reason in placement.float_nodes.items() if reason not in AROUND}
    return {re.sub(r"_\d+$", "", name): reason for name, reason in found.items()}


@pytest.mark.parametrize("block", BLOCKS)
def test_whole_networks_run_in_int8(block: str) -> None:
    model, logits = deployed(block)
    placement = place(model, logits)
    assert in_float(placement) == {}
    assert len(placement.int8_nodes) + len(placement.float_nodes) == len(model.graph.node)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_int8_operator_reads_quantized_tensors(block: str) -> None:
    model, logits = deployed(block)
    placement = place(model, logits)
    made = {name for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.name in placement.int8_nodes and node.op_type not in ("Relu", "Clip"):
            unquantized = {name for name in node.input if name in made} - set(placement.tensors)
            assert unquantized == set(), node.name
    assert logits not in placement.tensors
    order = [name for node in model.graph.node for name in node.output]
    assert list(placement.tensors) == sorted(placement.tensors, key=order.index)


def in_the_middle(kind: str, **options: int) -> Block:
    return lambda build, x: build.conv(build.node(kind, build.conv(x), **options))


def layer_norm(build: Builder, x: str) -> str:
    scale, shift = build.constant([1.0] * 24), build.constant([0.0] * 24)
    return build.conv(build.node("LayerNormalization", build.conv(x), scale, shift, axis=-1))


def cubic(build: Builder, x: str) -> str:
    small = build.node("MaxPool", build.conv(x), kernel_shape=[2, 2], strides=[2, 2])
    return build.conv(build.resize(small, mode="cubic"))


def reflecting(build: Builder, x: str) -> str:
    padding = build.constant([0, 0, 1, 1, 0, 0, 1, 1], "int64")
    return build.conv(build.node("Pad", build.conv(x), padding, mode="reflect"))


@pytest.mark.parametrize(
    ("block", "kind", "reason"),
    [
        (in_the_middle("Softmax", axis=1), "softmax", "Softmax has no INT8 form"),
        (in_the_middle("Erf"), "erf", "Erf has no INT8 form"),
        (layer_norm, "layernormalization", "LayerNormalization has no INT8 form"),
        (cubic, "resize", "cubic interpolation leaves the range of its input"),
        (reflecting, "pad", "only constant padding is quantized"),
    ],
)
def test_what_has_no_int8_form_stays_in_float_and_the_rest_does_not(block: Block, kind: str, reason: str) -> None:
    model, logits = deploy(block)
    placement = place(model, logits)
    assert in_float(placement) == {kind: reason}
    statistics = observe(model, [name for name in placement.tensors if name not in placement.shared], frames(4))
    ranges = choose_ranges(statistics, placement, minmax, "affine")
    share, _ = agreement(model, quantized_graph(model, placement, ranges, "affine"), logits, seed=0)
    assert share > 0.9


def test_what_is_asked_to_stay_stays() -> None:
    model, logits = deploy(lambda build, x: build.conv(BLOCKS["concat"](build, x)))
    kept = next(node for node in model.graph.node if node.op_type == "Concat")
    placement = place(model, logits, frozenset([kept.name]))
    assert in_float(placement) == {re.sub(r"_\d+$", "", kept.name): "asked for"}
    assert kept.name not in placement.int8_nodes
    assert kept.output[0] in placement.tensors, "its reader runs in INT8 still"


@pytest.mark.parametrize("channels", [4, 64])
def test_an_island_that_costs_more_than_it_saves(channels: int) -> None:
    def between_floats(build: Builder, x: str) -> str:
        around = build.node("Exp", build.conv(x, channels))
        inside = build.conv(around, channels, kernel=1 if channels == 4 else 3)
        return build.node("Erf", inside)

    model, logits = deploy(between_floats)
    placement = place(model, logits)
    reasons = set(in_float(placement).values()) - {"Exp has no INT8 form", "Erf has no INT8 form"}
    expected = {"an INT8 island here would cost more than it saves"} if channels == 4 else set()
    # The last 1×1 convolution to the logits may be such an island too.
    assert expected <= reasons <= {"an INT8 island here would cost more than it saves"}


def test_activations_are_fused_into_what_they_follow() -> None:
    model, logits = deployed("relu6")
    placement = place(model, logits)
    by_kind = {kind: [node.output[0] for node in model.graph.node if node.op_type == kind] for kind in ("Conv", "Clip")}
    assert set(by_kind["Clip"]) <= set(placement.tensors)
    between = {node.input[0] for node in model.graph.node if node.op_type in ("Clip", "Relu")}
    assert between.isdisjoint(placement.tensors)


@pytest.mark.parametrize(
    ("block", "kind"),
    [("max_pool", "MaxPool"), ("slice", "Slice"), ("resize_half_pixel", "Resize"), ("attention", "Transpose")],
)
def test_operators_that_pass_codes_through_share_a_grid(block: str, kind: str) -> None:
    model, logits = deployed(block)
    placement = place(model, logits)
    nodes = [node for node in model.graph.node if node.op_type == kind and node.name in placement.int8_nodes]
    assert nodes
    for node in nodes:
        source = placement.shared[node.output[0]]
        assert source == placement.shared.get(node.input[0], node.input[0])
        assert source not in placement.shared


Weighted = Callable[[Builder, str], str]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (lambda build, x: build.node("Conv", x, _computed(build, (32, 32, 1, 1))), "its weight is computed"),
        (
            lambda build, x: build.node(
                "MatMul", build.constant(build.random.normal(size=(16, 16))), x, channels=CHANNELS
            ),
            "its first operand is constant",
        ),
    ],
)
def test_products_that_no_engine_runs_in_int8(block: Weighted, reason: str) -> None:
    model, logits = deploy(lambda build, x: build.conv(block(build, build.conv(x))))
    assert reason in in_float(place(model, logits)).values()


def _computed(build: Builder, shape: tuple[int, ...]) -> str:
    """A tensor that depends on the image, of a constant shape."""
    peak = build.node("ReduceMax", "image", keepdims=0)
    return build.node("Mul", build.constant(build.random.normal(size=shape)), peak, channels=shape[0])
