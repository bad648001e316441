"""What the module offers around running: refusals, groups of parameters, scales that belong together, frames."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.grid import Grid
from etc_edge.graph.load import copy_model
from etc_edge.graph.qdq import QuantizationPlan, insert_qdq
from etc_edge.graph.view import GraphView
from etc_edge.torch_graph.graph import TorchGraph
from etc_edge.torch_graph.operators.table import OPERATORS
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, Builder, deployed, frames

FRAMES = torch.from_numpy(np.stack(list(frames(2, seed=99))))


def test_every_operator_of_our_networks_is_known() -> None:
    kinds = {node.op_type for block in BLOCKS for node in quantized(block)[0].graph.node}
    assert kinds <= set(OPERATORS.names())


def test_all_unsupported_operators_are_named_before_anything_runs() -> None:
    build = Builder()
    odd = build.node("Selu", build.conv("image", 4))
    pooled = build.node("AveragePool", odd, kernel_shape=[2, 2], dilations=[2, 2])
    model = build.model(build.node("Relu", build.node("Celu", pooled)), 4, opset=19)
    with pytest.raises(GraphError) as caught:
        TorchGraph(model, logits=model.graph.output[0].name)
    assert caught.value.message == (
        "Found 3 operators that torch cannot run here: Selu 'selu_1': no such operator here; "
        "AveragePool 'averagepool_2': it is dilated; Celu 'celu_3': no such operator here."
    )


def test_what_is_not_asked_for_need_not_be_supported() -> None:
    build = Builder()
    logits = build.conv("image", 4)
    model = build.model(build.node("Selu", logits), 4)
    with torch.no_grad():
        assert TorchGraph(model, logits=logits)(torch.zeros(2, 3, 32, 48))["logits"].shape == (2, 4, 32, 48)


def test_operators_of_other_vendors_and_computed_settings_are_refused() -> None:
    build = Builder()
    shape = build.node("Cast", build.node("ReduceMax", "image", keepdims=0), to=TensorProto.INT64)
    model = build.model(build.node("Expand", "image", shape), None)
    with pytest.raises(GraphError, match="Expand 'expand_2': operand 'cast_1_out' is computed, expected a constant"):
        TorchGraph(model, logits=model.graph.output[0].name)
    build = Builder()
    vendor = build.node("FusedConv", "image", domain="com.microsoft")
    model = build.model(vendor, 3)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(GraphError, match="an operator of com.microsoft"):
        TorchGraph(model, logits=vendor)


def test_a_tensor_that_is_not_there_and_an_old_opset() -> None:
    model, _ = deployed("relu")
    with pytest.raises(GraphError, match="Found no tensor 'label' that the graph computes"):
        TorchGraph(model, logits="label")
    build = Builder()
    old = build.model(build.node("Relu", "image"), 3, opset=12)
    with pytest.raises(GraphError, match="Found ONNX opset 12, expected 13 or later"):
        TorchGraph(old, logits=old.graph.output[0].name)


def test_frames_of_another_size_are_refused() -> None:
    model, logits = deployed("relu")
    with pytest.raises(GraphError, match=r"Found frames of shape \(1, 32, 32, 3\), expected \(N, 32, 48, 3\)"):
        TorchGraph(model, logits=logits)(torch.zeros(1, 32, 32, 3, dtype=torch.uint8))


def test_a_grid_that_changes_between_the_two_nodes_is_refused() -> None:
    model, logits, _ = quantized("relu")
    changed = copy_model(model)
    changed.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "other"))
    node = next(node for node in changed.graph.node if node.name == "image_dq")
    node.input[1] = "other"
    with pytest.raises(GraphError, match="QuantizeLinear 'image_q': expected one constant scale"):
        TorchGraph(changed, logits=logits)


def test_parameters_by_kind_are_all_there_are_and_all_learn() -> None:
    model, logits, _ = quantized("prelu")
    graph = TorchGraph(model, logits=logits)
    groups = graph.parameters_by_kind()
    assert {kind: len(values) for kind, values in groups.items()} == {
        "weights": 5,  # four convolutions and the slopes
        "biases": 4,
        "activation_scales": 5,
        "weight_scales": 4,
    }
    assert {id(value) for values in groups.values() for value in values} == {id(value) for value in graph.parameters()}
    graph(FRAMES)["logits"].square().mean().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in graph.parameters())


def test_preprocessing_and_clip_limits_are_not_trained() -> None:
    model, logits = deployed("relu6")
    names = set(dict(TorchGraph(model, logits=logits).named_parameters()))
    assert len(names) == 8, "weight and bias of four convolutions"
    assert not [name for name in names if "preprocess" in name]


@pytest.mark.parametrize("block", ["max_pool", "resize_nearest", "slice", "attention"])
def test_codes_that_pass_through_keep_one_grid(block: str) -> None:
    model, logits, placement = quantized(block)
    graph = TorchGraph(model, logits=logits)
    with torch.no_grad():
        for number, scale in enumerate(graph.parameters_by_kind()["activation_scales"]):
            scale += 0.01 * (number + 1)
    view = GraphView(graph.write_back())
    assert placement.shared
    for tensor, source in placement.shared.items():
        scales = [view.constant(f"{name}_scale") for name in (tensor, source)]
        assert np.array_equal(*scales), "or engines could not let the codes pass"  # type: ignore[arg-type]


def test_the_grid_of_a_bias_follows_the_scales() -> None:
    model, logits, _ = quantized("transposed_grouped")
    graph = TorchGraph(model, logits=logits)
    with torch.no_grad():
        for kind in ("activation_scales", "weight_scales"):
            for scale in graph.parameters_by_kind()[kind]:
                scale += torch.linspace(0.1, 0.3, scale.numel()).reshape(scale.shape)
    view, before = GraphView(graph.write_back()), GraphView(model)
    checked = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "ConvTranspose") and node.name != "preprocess_normalise":
            data, weight, bias = (view.producer[name] for name in node.input)
            step = np.float32(view.constant(data.input[1])) * view.constant(weight.input[1])
            scale, codes = view.constant(bias.input[1]), view.constant(bias.input[0])
            assert scale is not None
            assert codes is not None
            assert np.array_equal(scale, np.resize(step, scale.shape))
            old = before.constant(bias.input[0]) * before.constant(bias.input[1])  # type: ignore[operator]
            assert (np.abs(codes * scale - old) <= 0.501 * scale).all(), "the bias itself stays"
            checked += 1
    assert checked == 4


def test_a_graph_that_mixes_frames_runs_them_one_by_one() -> None:
    build = Builder()
    data = build.conv("image", 4)
    rows = build.node("Reshape", data, build.constant([4, -1], np.int64))
    turned = build.node("Transpose", build.node("Softmax", rows, axis=0), perm=[1, 0])
    back = build.node("Reshape", build.node("Transpose", turned, perm=[1, 0]), build.constant([1, 4, 32, 48], np.int64))
    model = build.model(back, 4)
    graph, images = TorchGraph(model, logits=back), torch.randn(3, 3, 32, 48)
    together = graph(images)["logits"]
    apart = torch.cat([graph(images[number : number + 1])["logits"] for number in range(3)])
    assert torch.allclose(together, apart)
    together.square().sum().backward()
    assert all(value.grad is not None for value in graph.parameters())


def test_codes_without_their_other_half_run_but_are_no_place_to_train() -> None:
    build = Builder()
    data = build.conv("image", 4)
    model = build.model(build.node("Relu", data), 4)
    pair = insert_qdq(model, QuantizationPlan({data: Grid.covering(-4, 4, "affine")}))
    pair.graph.output.append(helper.make_tensor_value_info(f"{data}_quantized", TensorProto.UINT8, None))
    with torch.no_grad():
        codes = TorchGraph(pair, codes=f"{data}_quantized")(torch.zeros(1, 3, 32, 48))["codes"]
    assert codes.dtype == torch.uint8
    with pytest.raises(GraphError, match="its codes are read by more than DequantizeLinear"):
        TorchGraph(pair, codes=f"{data}_quantized", logits=model.graph.output[0].name)


@pytest.mark.parametrize("block", ["prelu", "transposed_grouped", "depthwise", "matmul"])
def test_latents_of_the_float_graph_change_nothing_but_where_weights_stand(block: str) -> None:
    model, logits, _ = quantized(block)
    floating, _ = deployed(block)
    graph = TorchGraph(model, logits=logits)
    groups = graph.parameters_by_kind()
    middles = [weight.detach().clone() for weight in groups["weights"]]
    with torch.no_grad():
        before = graph(FRAMES)["logits"]
        assert graph.take_latents(floating) == len(groups["weight_scales"])
        assert torch.equal(graph(FRAMES)["logits"], before)
    moved = [middle for middle, weight in zip(middles, groups["weights"], strict=True) if not middle.equal(weight)]
    assert len(moved) == len(groups["weight_scales"])
    assert graph.write_back().SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
    assert graph.take_latents(deployed("relu", seed=5)[0]) > 0
    with torch.no_grad():
        assert torch.equal(graph(FRAMES)["logits"], before), "another network's floats change no code"


def test_shorter_floats_around_it_change_nothing() -> None:
    model, logits, _ = quantized("relu")
    graph = TorchGraph(model, logits=logits)
    with torch.no_grad():
        expected = graph(FRAMES)["logits"]
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(graph(FRAMES)["logits"], expected)


def test_a_copy_and_a_saved_state_are_the_same_network() -> None:
    model, logits, _ = quantized("prelu")
    graph, fresh = TorchGraph(model, logits=logits), TorchGraph(model, logits=logits)
    with torch.no_grad():
        for value in graph.parameters():
            value += 0.01
        expected = graph(FRAMES)["logits"]
        fresh.load_state_dict(graph.state_dict())
        for other in (fresh, copy.deepcopy(graph)):
            assert torch.equal(other(FRAMES)["logits"], expected)
            assert other.write_back() == graph.write_back()
