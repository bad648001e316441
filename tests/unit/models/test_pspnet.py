"""PSPNet against the figures that its authors' networks are known by."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from etc_edge.models.table import build_network


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_pspnet18_has_the_published_number_of_parameters() -> None:
    assert round(parameters(build_network("pspnet18", 19, auxiliary=False)) / 1e6, 2) == 13.80


def test_pspnet18_has_the_published_number_of_operations() -> None:
    network = build_network("pspnet18", 19, auxiliary=False).eval()
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.to("meta")(torch.empty(1, 3, 360, 480))
    assert round(counter.get_total_flops() / 2e9, 1) == 38.1


def test_keys_are_those_of_the_authors_checkpoints() -> None:
    keys = set(build_network("pspnet18", 19).state_dict())
    block = [f"conv{i}.weight" for i in (1, 2)] + [f"bn{i}.{k}" for i in (1, 2) for k in NORM]
    expected = {"layer0.0.weight"} | {f"layer0.1.{k}" for k in NORM}
    expected |= {f"layer{stage}.{i}.{part}" for stage in (1, 2, 3, 4) for i in (0, 1) for part in block}
    for stage in (2, 3, 4):
        expected |= {f"layer{stage}.0.downsample.0.weight"}
        expected |= {f"layer{stage}.0.downsample.1.{k}" for k in NORM}
    for i in range(4):
        expected |= {f"ppm.features.{i}.1.weight"} | {f"ppm.features.{i}.2.{k}" for k in NORM}
    for head in ("cls", "aux"):
        expected |= {f"{head}.0.weight", f"{head}.4.weight", f"{head}.4.bias"} | {f"{head}.1.{k}" for k in NORM}
    assert keys == expected


NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


@pytest.mark.parametrize("name", ["pspnet18", "pspnet50", "pspnet101"])
def test_only_the_second_convolution_of_a_block_is_dilated(name: str) -> None:
    with torch.device("meta"):
        network = build_network(name, 19, auxiliary=False)
    dilations = {
        key: part.dilation[0]
        for key, part in network.named_modules()
        if isinstance(part, nn.Conv2d) and part.dilation[0] > 1
    }
    assert {key.split(".")[0] for key in dilations} == {"layer3", "layer4"}
    assert {key.split(".")[-1] for key in dilations} == {"conv2"}
    assert {dilation for key, dilation in dilations.items() if key.startswith("layer3")} == {2}
    assert {dilation for key, dilation in dilations.items() if key.startswith("layer4")} == {4}
    strides = {part.stride[0] for key, part in network.layer3.named_modules() if isinstance(part, nn.Conv2d)}
    assert strides == {1}


@pytest.mark.parametrize(("name", "width"), [("pspnet18", 512), ("pspnet50", 2048), ("pspnet101", 2048)])
def test_pooling_head_follows_the_backbones_width(name: str, width: int) -> None:
    with torch.device("meta"):
        state = build_network(name, 19).state_dict()
    assert state["ppm.features.0.1.weight"].shape == (width // 4, width, 1, 1)
    assert state["cls.0.weight"].shape[1] == 2 * width
    assert state["aux.0.weight"].shape[1] == width // 2
