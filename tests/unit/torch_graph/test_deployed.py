"""The deployed graph gives what the trainable one gives, in the precision that was asked for, and exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import EngineError, GraphError
from etc_edge.graph.heads import LABELS
from etc_edge.torch_graph.deployed import Deployed, beyond_half
from etc_edge.torch_graph.graph import TorchGraph
from etc_edge.torch_graph.program import export_program, load_program, save_program
from tests.quantized_networks import quantized, unseen_frame
from tests.small_networks import BLOCKS, deployed
from tests.tiny_bundle import color_frame, color_network


def frames() -> torch.Tensor:
    return torch.from_numpy(unseen_frame()[None])


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_labels_are_those_of_the_trainable_graph_bit_for_bit(block: str) -> None:
    for model in (deployed(block)[0], quantized(block)[0]):
        graph = TorchGraph(model, labels=LABELS)
        with torch.no_grad():
            expected, found = graph(frames())["labels"], Deployed(graph, LABELS)(frames())
        assert torch.equal(found, expected)


def test_a_part_of_the_graph_from_one_tensor_to_another() -> None:
    graph = TorchGraph(color_network(), labels=LABELS)
    frame = torch.from_numpy(color_frame(1)[None])
    part = Deployed(graph, "best", start="float_planes")
    labels = part(frame.permute(0, 3, 1, 2).float())
    with torch.no_grad():
        assert torch.equal(labels.to(torch.uint8), graph(frame)["labels"])


def test_a_part_that_needs_more_than_its_start_is_refused() -> None:
    model = color_network()
    model.graph.node[5].op_type = "Add"  # reads the convolution and, now, the planes before it
    model.graph.node[5].input[:] = ["spread_out", "spread_out_again"]
    again = helper.make_node("Conv", ["normalised", "spread"], ["spread_out_again"], strides=[2, 2], pads=[1, 1, 1, 1])
    model.graph.node.insert(5, again)
    graph = TorchGraph(model, labels=LABELS)
    with pytest.raises(GraphError, match="depending on 'normalised', expected on 'spread_out' alone"):
        Deployed(graph, LABELS, start="spread_out")


def test_half_precision_is_near_and_in_half() -> None:
    graph = TorchGraph(color_network(), labels=LABELS)
    half = Deployed(graph, LABELS, dtype=torch.float16)
    assert {buffer.dtype for buffer in half.buffers() if buffer.is_floating_point()} == {torch.float16}
    frame = torch.from_numpy(color_frame(1)[None])
    with torch.no_grad():
        same = (half(frame) == graph(frame)["labels"]).float().mean()
    assert same > 0.99


def test_what_overflows_half_precision_stays_wide_and_right() -> None:
    model = color_network()
    for tensor in model.graph.initializer:
        if tensor.name in ("spread", "spread_bias"):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1e6), tensor.name))
    graph, frame = TorchGraph(model, labels=LABELS), torch.from_numpy(color_frame(1)[None])
    wide = beyond_half(graph, LABELS, [frame])
    assert {"spread_out", "active", "logits"} <= wide
    assert wide.isdisjoint({"planes", "float_planes", "centred"})
    with torch.no_grad():
        expected = graph(frame)["labels"]
        kept = Deployed(graph, LABELS, dtype=torch.float16, wide=wide)(frame)
        lost = Deployed(graph, LABELS, dtype=torch.float16)(frame)
    assert (kept == expected).float().mean() > 0.99
    assert (lost == expected).float().mean() < 0.9, "without them the network is another"


def test_nothing_overflows_in_an_ordinary_network() -> None:
    model, _ = deployed("concat")
    assert beyond_half(TorchGraph(model, labels=LABELS), LABELS, [frames()]) == set()


@pytest.mark.parametrize("make", [lambda: deployed("concat")[0], lambda: quantized("concat")[0]], ids=["fp32", "int8"])
def test_a_program_survives_its_file(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    module = Deployed(TorchGraph(make(), labels=LABELS), LABELS)
    save_program(export_program(module, frames()), tmp_path / "program.pt2")
    program, shape = load_program(tmp_path / "program.pt2")
    assert shape == tuple(frames().shape)
    with torch.no_grad():
        assert torch.equal(program(frames()), module(frames()))


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "program.pt2"
    path.write_bytes(b"no program")
    with pytest.raises(EngineError, match="could not load"):
        load_program(path)


def test_labels_are_uint8() -> None:
    model, _ = deployed("concat")
    assert model.graph.output[0].type.tensor_type.elem_type == TensorProto.UINT8
    with torch.no_grad():
        assert Deployed(TorchGraph(model, labels=LABELS), LABELS)(frames()).dtype == torch.uint8
