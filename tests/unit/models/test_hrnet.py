"""HRNet-W18-Small against the figures and keys of its authors' networks, and against a second reading of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.heads import append_labels_head
from etc_edge.graph.preprocess import prepend_preprocessing
from etc_edge.graph.simplify import simplify
from etc_edge.models.checkpoint import load_checkpoint
from etc_edge.models.onnx_export import to_onnx
from etc_edge.models.table import build_network
from etc_edge.quantization.placement import place
from tests.small_networks import run

# Parameters (millions) and multiply-adds at 1024×2048 of "Small models" in the README of
# github.com/HRNet/HRNet-Semantic-Segmentation; its giga is 2**30.
PUBLISHED = [("hrnet_w18_small", 3.9, 71.6), ("hrnet_w18_small_v1", 1.5, 31.1)]
NAMES = [name for name, _, _ in PUBLISHED]


@pytest.mark.parametrize(("name", "millions", "macs"), PUBLISHED)
def test_size_and_work_are_the_published_ones(name: str, millions: float, macs: float) -> None:
    network = build_network(name, 19).eval()
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 1) == millions
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.to("meta")(torch.empty(1, 3, 1024, 2048))
    assert round(counter.get_total_flops() / 2 / 2**30, 1) == macs


def weights_of(layer: str) -> set[str]:
    """Keys of a convolution `layer.0` without bias and of the batch norm `layer.1` after it."""
    return {f"{layer}.0.weight"} | norm(f"{layer}.1")


def norm(layer: str) -> set[str]:
    return {f"{layer}.{key}" for key in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


@pytest.mark.parametrize(("name", "bottlenecks", "modules"), [(NAMES[0], 2, (1, 3, 2)), (NAMES[1], 1, (1, 1, 1))])
def test_keys_are_those_of_the_published_checkpoints(
    name: str, bottlenecks: int, modules: tuple[int, int, int]
) -> None:
    expected = {"conv1.weight", "conv2.weight"} | norm("bn1") | norm("bn2") | weights_of("layer1.0.downsample")
    for block in range(bottlenecks):
        for index in (1, 2, 3):
            expected |= {f"layer1.{block}.conv{index}.weight"} | norm(f"layer1.{block}.bn{index}")
    expected |= weights_of("transition1.0") | weights_of("transition1.1.0")
    expected |= weights_of("transition2.2.0") | weights_of("transition3.3.0")
    for branches, count in zip((2, 3, 4), modules, strict=True):
        for module in (f"stage{branches}.{index}" for index in range(count)):
            for block in (f"{module}.branches.{branch}.{index}" for branch in range(branches) for index in (0, 1)):
                for index in (1, 2):
                    expected |= {f"{block}.conv{index}.weight"} | norm(f"{block}.bn{index}")
            for target in range(branches):
                for source in range(branches):
                    layer = f"{module}.fuse_layers.{target}.{source}"
                    if source > target:
                        expected |= weights_of(layer)
                    for step in range(target - source):
                        expected |= weights_of(f"{layer}.{step}")
    expected |= {f"last_layer.{index}.{key}" for index in (0, 3) for key in ("weight", "bias")} | norm("last_layer.1")
    assert set(build_network(name, 19).state_dict()) == expected


class Reading:
    """The published network worked out from a state's keys alone, in evaluation, apart from our modules."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def has(self, start: str) -> bool:
        return any(key.startswith(f"{start}.") for key in self.state)

    def conv(self, images: Tensor, conv: str, norm: str, stride: int = 1, relu: bool = True) -> Tensor:
        weight = self.state[f"{conv}.weight"]
        bias = self.state.get(f"{conv}.bias")
        out = functional.conv2d(images, weight, bias, stride, weight.shape[-1] // 2)
        mean, variance, scale, shift = (
            self.state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")
        )
        out = functional.batch_norm(out, mean, variance, scale, shift)
        return out.relu() if relu else out

    def block(self, images: Tensor, block: str) -> Tensor:
        last = 3 if self.has(f"{block}.conv3") else 2
        out = images
        for index in range(1, last + 1):
            out = self.conv(out, f"{block}.conv{index}", f"{block}.bn{index}", relu=index < last)
        if self.has(f"{block}.downsample"):
            images = self.conv(images, f"{block}.downsample.0", f"{block}.downsample.1", relu=False)
        return (out + images).relu()

    def blocks(self, images: Tensor, start: str) -> Tensor:
        index = 0
        while self.has(f"{start}.{index}"):
            images, index = self.block(images, f"{start}.{index}"), index + 1
        return images

    def fused(self, branches: list[Tensor], module: str, target: int) -> Tensor:
        total = torch.zeros_like(branches[target])
        for source, branch in enumerate(branches):
            layer = f"{module}.fuse_layers.{target}.{source}"
            if source > target:
                narrow = self.conv(branch, f"{layer}.0", f"{layer}.1", relu=False)
                branch = functional.interpolate(narrow, branches[target].shape[2:], mode="bilinear")
            for step in range(target - source):
                last = step == target - source - 1
                branch = self.conv(branch, f"{layer}.{step}.0", f"{layer}.{step}.1", 2, relu=not last)
            total = total + branch
        return total.relu()

    def logits(self, images: Tensor) -> Tensor:
        images = self.conv(self.conv(images, "conv1", "bn1", 2), "conv2", "bn2", 2)
        branches = [self.blocks(images, "layer1")]
        for stage in (2, 3, 4):
            start = f"transition{stage - 1}"
            coarsest = branches[-1]
            if stage == 2:
                branches = [self.conv(coarsest, f"{start}.0.0", f"{start}.0.1")]
            new = f"{start}.{stage - 1}.0"
            branches.append(self.conv(coarsest, f"{new}.0", f"{new}.1", 2))
            index = 0
            while self.has(module := f"stage{stage}.{index}"):
                worked = [self.blocks(branch, f"{module}.branches.{i}") for i, branch in enumerate(branches)]
                branches, index = [self.fused(worked, module, target) for target in range(stage)], index + 1
        size = branches[0].shape[2:]
        joined = torch.cat([functional.interpolate(branch, size, mode="bilinear") for branch in branches], 1)
        hidden = self.conv(joined, "last_layer.0", "last_layer.1")
        return functional.conv2d(hidden, self.state["last_layer.3.weight"], self.state["last_layer.3.bias"])


def trained_looking(name: str, classes: int = 5) -> nn.Module:
    """A network whose batch norms hold something to get wrong."""
    torch.manual_seed(0)
    network = build_network(name, classes).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            for values in (part.weight, part.running_var):
                assert values is not None
                nn.init.uniform_(values, 0.7, 1.3)
            for values in (part.bias, part.running_mean):
                assert values is not None
                nn.init.normal_(values, std=0.2)
    return network


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size_hw", [(64, 96), (61, 83)])
def test_logits_are_those_of_a_second_reading(name: str, size_hw: tuple[int, int]) -> None:
    network = trained_looking(name)
    images = torch.randn(2, 3, *size_hw)
    with torch.no_grad():
        expected = Reading(network.state_dict()).logits(images)
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("name", "size_hw"), [(NAMES[0], (64, 96)), (NAMES[1], (61, 83))])
def test_the_onnx_graph_gives_torch_s_logits(name: str, size_hw: tuple[int, int]) -> None:
    network = trained_looking(name)
    images = torch.randn(1, 3, *size_hw)
    model = to_onnx(network, size_hw)
    (found,) = run(model, {"image": images.numpy()}, ["logits"], optimized=True)
    with torch.no_grad():
        expected = network(images).numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_all_of_the_deployed_graph_but_its_ends_runs_in_int8() -> None:
    network = simplify(to_onnx(trained_looking("hrnet_w18_small_v1"), (96, 128)))
    assert {node.op_type for node in network.graph.node} == {"Conv", "Relu", "Add", "Concat", "Resize"}
    deployed = append_labels_head(
        prepend_preprocessing(network, Preprocessing((96, 128))), 5, (96, 128), "align_corners"
    )
    placement = place(*deployed)
    assert set(placement.float_nodes.values()) <= {"no float data", "preprocessing", "the labels head"}
    assert len(placement.int8_nodes) == len(network.graph.node)


def test_a_published_checkpoint_is_read(tmp_path: Path) -> None:
    """Their trainer saves the network as `model.` beside its loss."""
    state = trained_looking("hrnet_w18_small_v1").state_dict()
    content = {f"model.{key}": value for key, value in state.items()}
    torch.save(content | {"loss.criterion.weight": torch.ones(5)}, tmp_path / "best.pth")
    network = build_network("hrnet_w18_small_v1", 5)
    coverage = load_checkpoint(network, tmp_path / "best.pth")
    assert coverage.dropped == ("loss.criterion.weight",)
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
