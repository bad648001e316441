"""The features that a network's last pass made, caught on their way."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from etc_edge.models.base import SegmentationNetwork


class Embedding:
    """Listens to the output of a network's embedding layer.

    Args:
        network: see SegmentationNetwork; whether it runs wrapped or not makes no difference.
    """

    def __init__(self, network: nn.Module) -> None:
        self._features: Tensor | None = None
        layer = cast(SegmentationNetwork, network).embedding()
        layer.register_forward_hook(self._keep)

    def taken(self) -> Tensor:
        """Features of the last pass, float (N, D, h, w); they are let go."""
        features, self._features = self._features, None
        assert features is not None, "the network ran since the last call"
        return features

    def _keep(self, layer: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        del layer, inputs
        self._features = output
