"""Export-ready copies give what the network gives."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from etc_edge.models.base import AdaptivePool, MatrixPool
from etc_edge.models.exportable import exportable
from etc_edge.models.table import build_network


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size_hw", [(45, 60), (23, 30), (6, 6), (7, 13), (5, 4)])
def test_matrix_products_are_adaptive_pooling(bins: int, size_hw: tuple[int, int]) -> None:
    features = torch.randn(2, 4, *size_hw, dtype=torch.float64)
    pool = MatrixPool(bins, size_hw).double()
    torch.testing.assert_close(pool(features), functional.adaptive_avg_pool2d(features, bins), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["pspnet18", "pspnet_mobilenetv2", "espnet", "hrnet_w18_small"])
def test_copy_gives_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, 5).eval()
    images = torch.randn(1, 3, 72, 96)
    ready = exportable(network, (72, 96))
    with torch.no_grad():
        torch.testing.assert_close(ready(images), network(images), rtol=1e-3, atol=1e-4)
    assert not any(isinstance(part, AdaptivePool) for part in ready.modules())
    assert not any(key.startswith("aux.") for key in ready.state_dict())


def test_the_network_itself_stays_as_it_was() -> None:
    network = build_network("pspnet_mobilenetv2", 5).train()
    keys = set(network.state_dict())
    exportable(network, (64, 64))
    assert set(network.state_dict()) == keys
    assert network.training
    assert any(isinstance(part, AdaptivePool) for part in network.modules())
