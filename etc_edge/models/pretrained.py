"""ImageNet starts: backbone weights, named as torchvision or their authors name them, read into a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from etc_edge.core.errors import CheckpointError
from etc_edge.models.checkpoint import read_state
from etc_edge.models.hrnet import HRNet
from etc_edge.models.pspnet import PSPNet
from etc_edge.models.pspnet_mobilenetv2 import PSPNetMobileNetV2


@dataclass(frozen=True)
class Start:
    """What a backbone start did.

    Args:
        loaded: keys of the network that were read.
        needs_statistics: whether the file held no usable running statistics, so that they must be estimated on
            training data (`estimate_statistics`) before the first step.
    """

    loaded: tuple[str, ...]
    needs_statistics: bool


@dataclass(frozen=True)
class Backbone:
    """How a kind of network's backbone is named.

    Args:
        holds: whether a key of the network is the backbone's.
        rename: from a key of an ImageNet file to the network's.
    """

    holds: Callable[[str], bool]
    rename: Callable[[str], str]


def _resnet_key(key: str) -> str:
    return re.sub(r"^bn1\.", "layer0.1.", re.sub(r"^conv1\.", "layer0.0.", key))


# A kind of network that takes an ImageNet start adds its row.
BACKBONES: Mapping[type[nn.Module], Backbone] = {
    PSPNet: Backbone(lambda key: key.startswith("layer"), _resnet_key),
    PSPNetMobileNetV2: Backbone(lambda key: key.startswith("backbone."), lambda key: f"backbone.{key}"),
    HRNet: Backbone(lambda key: not key.startswith("last_layer."), lambda key: key),
}


def load_backbone(network: nn.Module, path: Path) -> Start:
    """Read ImageNet weights of the network's backbone; classification layers of the file are ignored.

    Raises:
        CheckpointError: the network takes no start, or the file does not cover the backbone.
    """
    backbone = BACKBONES.get(type(network))
    if backbone is None:
        raise CheckpointError(
            f"Found no ImageNet start for {type(network).__name__}, expected a network on ResNet, MobileNetV2 or HRNet."
        )
    own = [key for key in network.state_dict() if backbone.holds(key)]
    given = {backbone.rename(key): value for key, value in read_state(path).items()}
    wanted = network.state_dict()
    statistics = [key for key in own if key.endswith(("running_mean", "running_var"))]
    learned = [key for key in own if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    missing = [key for key in learned if key not in given or given[key].shape != wanted[key].shape]
    if missing:
        raise CheckpointError(
            f"Found {path} without {len(missing)} of the backbone's {len(learned)} weights (first: {missing[0]}).",
            "Check that the file belongs to the network's backbone.",
        )
    needs_statistics = not _has_statistics(given, statistics)
    taken = learned if needs_statistics else learned + statistics
    network.load_state_dict({**wanted, **{key: given[key].to(wanted[key].dtype) for key in taken}})
    return Start(tuple(taken), needs_statistics)


@torch.no_grad()
def estimate_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set every batch norm's running statistics to their mean over batches, the weights untouched.

    Args:
        network: left in the mode it was in.
        batches: normalised images (N, 3, H, W); each is run once.
    """
    norms = [part for part in network.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    was_training = network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for images in batches:
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(was_training)


def _has_statistics(given: Mapping[str, Tensor], statistics: list[str]) -> bool:
    """Whether running statistics are there and are not all what a fresh batch norm holds."""
    if any(key not in given for key in statistics):
        return False
    fresh: Callable[[str], bool] = lambda key: bool((given[key] == (1.0 if key.endswith("var") else 0.0)).all())  # noqa: E731
    return not all(fresh(key) for key in statistics)
