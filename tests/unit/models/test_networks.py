"""What every network of the table promises; see SegmentationNetwork."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from etc_edge.core.errors import EtcEdgeError
from etc_edge.models.table import NETWORKS, build_network

SMALL = [name for name in NETWORKS.names() if name not in ("pspnet50", "pspnet101")]


@pytest.fixture(params=SMALL)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return build_network(request.param, 5)


def test_evaluation_gives_logits_at_the_stated_stride(network: nn.Module) -> None:
    stride = network.logits_stride
    with torch.no_grad():
        logits = network.eval()(torch.randn(1, 3, 48, 80))
    assert logits.shape == (1, 5, 48 // stride, 80 // stride)


def test_training_gives_main_and_auxiliary_logits(network: nn.Module) -> None:
    logits, auxiliary = network.train()(torch.randn(2, 3, 48, 80))
    assert logits.shape[:2] == (2, 5)
    if auxiliary is not None:
        assert auxiliary.shape[:2] == (2, 5)
    (logits.sum() + (0 if auxiliary is None else auxiliary.sum())).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_heads_are_a_part_of_the_parameters(network: nn.Module) -> None:
    every = {id(parameter) for parameter in network.parameters()}
    heads = {id(parameter) for parameter in network.head_parameters()}
    assert heads
    assert heads <= every


@pytest.mark.parametrize("name", SMALL)
def test_without_auxiliary_head_training_gives_none(name: str) -> None:
    network = build_network(name, 5, auxiliary=False).train()
    assert network(torch.randn(2, 3, 48, 80))[1] is None


def test_sizes_of_the_compact_networks() -> None:
    def count(name: str) -> float:
        return sum(p.numel() for p in build_network(name, 20, auxiliary=False).parameters()) / 1e6

    assert count("street_small") <= 0.6
    # The paper's own figure, for 20 classes.
    assert count("espnet") == pytest.approx(0.364, abs=0.002)
    assert count("pspnet_mobilenetv2") < 2.5


def test_odd_sizes_pass() -> None:
    with torch.no_grad():
        for name in ("pspnet_mobilenetv2", "pspnet18", "hrnet_w18_small", "hrnet_w18_small_v1"):
            network = build_network(name, 3).eval()
            stride = network.logits_stride
            logits = network(torch.randn(1, 3, 61, 83))
            assert logits.shape == (1, 3, -(-61 // stride), -(-83 // stride))


@pytest.mark.parametrize(
    ("name", "besides"),
    [("pspnet_mobilenetv2", {"AdaptivePool"}), ("hrnet_w18_small", {"Identity"}), ("hrnet_w18_small_v1", {"Identity"})],
)
def test_compact_networks_have_only_what_runs_in_int8(name: str, besides: set[str]) -> None:
    kinds = {type(part) for part in build_network(name, 5).modules() if not list(part.children())}
    allowed = {nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Dropout2d}
    assert {kind.__name__ for kind in kinds - allowed} == besides


def test_an_unknown_network_names_the_nearest() -> None:
    with pytest.raises(EtcEdgeError, match="pspnet18") as raised:
        build_network("pspnet-18", 5)
    assert "Did you mean" in (raised.value.hint or "")


def test_no_classes_are_refused() -> None:
    with pytest.raises(EtcEdgeError, match="0 classes"):
        build_network("pspnet18", 0)
