"""The networks, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.table import Table

# Each entry makes a network from (classes, auxiliary); see SegmentationNetwork for what it must be.
NETWORKS: Table[Callable[[int, bool], nn.Module]] = Table(
    "network",
    {
        "pspnet18": "etc_edge.models.pspnet:pspnet18",
        "pspnet50": "etc_edge.models.pspnet:pspnet50",
        "pspnet101": "etc_edge.models.pspnet:pspnet101",
        "pspnet_mobilenetv2": "etc_edge.models.pspnet_mobilenetv2:pspnet_mobilenetv2",
        "street_small": "etc_edge.models.pspnet_mobilenetv2:street_small",
        "hrnet_w18_small": "etc_edge.models.hrnet:hrnet_w18_small",
        "hrnet_w18_small_v1": "etc_edge.models.hrnet:hrnet_w18_small_v1",
        "espnet": "etc_edge.models.espnet:espnet",
    },
)


def build_network(name: str, classes: int, auxiliary: bool = True) -> nn.Module:
    """A network with fresh weights, in training mode.

    Args:
        name: a name of NETWORKS.
        classes: number of classes.
        auxiliary: whether to build the auxiliary head, where the network has one; only training runs it.

    Raises:
        EtcEdgeError: no such network, or no classes.
    """
    if classes < 1:
        raise EtcEdgeError(f"Found {classes} classes, expected at least 1.")
    return NETWORKS.load(name)(classes, auxiliary)
