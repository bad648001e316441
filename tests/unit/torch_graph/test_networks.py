"""Whole networks with every kind of operator in torch and in ONNX Runtime, before and after training."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch

from etc_edge.torch_graph.graph import TorchGraph
from tests.exact_networks import with_exact_scales
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, deployed, frames, labels_and_logits

FRAMES = np.stack(list(frames(3, seed=99)))


def train(graph: TorchGraph, steps: int = 3) -> None:
    """A few steps of Adam towards logits that change places, so that every parameter moves."""
    groups = graph.parameters_by_kind()
    rates = {"weights": 1e-3, "biases": 1e-3, "activation_scales": 1e-2, "weight_scales": 1e-2}
    optimizer = torch.optim.Adam([{"params": groups[kind], "lr": rate} for kind, rate in rates.items()])
    images = torch.from_numpy(FRAMES)
    for _ in range(steps):
        optimizer.zero_grad()
        logits = graph(images)["logits"]
        (logits - logits.detach().roll(1, dims=1)).square().mean().backward()
        optimizer.step()


def agreement(model: onnx.ModelProto, logits: str) -> tuple[float, float]:
    """Share of logits within one step (of an 8-bit grid over their span), and share of labels that are the same."""
    with torch.no_grad():
        found = TorchGraph(model, logits=logits, labels="labels")(torch.from_numpy(FRAMES))
    near, same = [], []
    for number, frame in enumerate(FRAMES):
        labels, values = labels_and_logits(model, logits, frame)
        step = (values.max() - values.min()) / 255
        near.append(np.mean(np.abs(found["logits"][number].numpy() - values) <= step))
        same.append(np.mean(found["labels"][number].numpy() == labels))
    return float(np.mean(near)), float(np.mean(same))


def assert_agreement(model: onnx.ModelProto, logits: str) -> None:
    """All logits within a step and 99.99 % of labels where sums are exact.

    Where they are not, a code or two of the whole network may fall to the other side of an edge, in sight of a few
    logits each; of all where a product mixes all places, and often where bilinear weights of a quarter make halves.
    """
    near, same = agreement(with_exact_scales(model), logits)
    assert near == 1.0
    assert same >= 0.9999
    near, same = agreement(model, logits)
    assert near > 0.95
    assert same > 0.99


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("block", BLOCKS)
def test_torch_and_onnx_runtime_agree_before_and_after_training(block: str, scheme: Any) -> None:
    model, logits, _ = quantized(block, scheme)
    assert_agreement(model, logits)
    graph = TorchGraph(model, logits=logits)
    before = {name: scale.clone() for name, scale in graph.scales().items()}
    train(graph)
    trained = graph.write_back()
    onnx.checker.check_model(trained, full_check=True)
    assert_agreement(trained, logits)
    after = graph.scales()
    assert all((after[name] > 0).all() and not torch.equal(after[name], scale) for name, scale in before.items())
    assert {str(node) for node in trained.graph.node} == {str(node) for node in model.graph.node}
    with torch.no_grad():
        written = TorchGraph(trained, logits=logits)(torch.from_numpy(FRAMES))["logits"]
        assert torch.equal(written, graph(torch.from_numpy(FRAMES))["logits"]), "the file is what was trained"


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("block", BLOCKS)
def test_an_untrained_graph_is_written_back_byte_by_byte(block: str, scheme: Any) -> None:
    for model, logits, *_ in (quantized(block, scheme), deployed(block)):
        written = TorchGraph(model, logits=logits).write_back()
        assert written.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize("block", BLOCKS)
def test_several_frames_give_what_each_gives(block: str) -> None:
    model, logits, _ = quantized(block)
    graph, images = TorchGraph(with_exact_scales(model), logits=logits), torch.from_numpy(FRAMES)
    with torch.no_grad():
        together = graph(images)["logits"]
        apart = torch.cat([graph(image[None])["logits"] for image in images])
    assert (together - apart).abs().max() <= (apart.max() - apart.min()) / 255


@pytest.mark.parametrize("block", BLOCKS)
def test_the_float_network_runs_and_is_trained_as_well(block: str) -> None:
    model, logits = deployed(block)
    graph = TorchGraph(model, logits=logits, labels="labels")
    assert not graph.quantized
    for _ in range(2):
        with torch.no_grad():
            found = graph(torch.from_numpy(FRAMES[:1]))["logits"][0].numpy()
        _, expected = labels_and_logits(graph.write_back(), logits, FRAMES[0])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        train(graph, 1)
