"""Features that a pass makes, caught for the losses that compare them."""

from __future__ import annotations

import pytest
import torch

from etc_edge.models.table import NETWORKS, build_network
from etc_edge.training.embedding import Embedding


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_network_has_an_embedding(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, 5)
    embedding = Embedding(network)
    logits, _ = network(torch.randn(2, 3, 64, 64))
    features = embedding.taken()
    assert features.ndim == 4
    assert features.shape[0] == 2
    assert features.shape[1] > 5
    features.square().mean().backward(retain_graph=True)
    assert any(parameter.grad is not None for parameter in network.parameters())
    assert logits.shape[1] == 5
    with pytest.raises(AssertionError):
        embedding.taken()
