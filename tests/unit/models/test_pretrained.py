"""Backbone starts from files with torchvision's key names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from etc_edge.core.errors import CheckpointError
from etc_edge.models.pretrained import estimate_statistics, load_backbone
from etc_edge.models.table import build_network


def resnet18_file(path: Path, fresh_statistics: bool) -> dict[str, Tensor]:
    """A file as torchvision names it, its values ours."""
    torch.manual_seed(5)
    state = {}
    for key, value in build_network("pspnet18", 3, auxiliary=False).state_dict().items():
        if key.startswith("layer"):
            name = key.replace("layer0.0.", "conv1.").replace("layer0.1.", "bn1.")
            state[name] = value.clone()
            if key.endswith("running_var") and not fresh_statistics:
                state[name] += 0.5
    state["fc.weight"] = torch.ones(10, 512)
    halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_file(halves, str(path))
    return state


@pytest.mark.parametrize("fresh", [True, False])
def test_resnet18(fresh: bool, tmp_path: Path) -> None:
    state = resnet18_file(tmp_path / "resnet18.safetensors", fresh)
    network = build_network("pspnet18", 3)
    start = load_backbone(network, tmp_path / "resnet18.safetensors")
    assert start.needs_statistics is fresh
    own = network.state_dict()
    torch.testing.assert_close(own["layer0.0.weight"], state["conv1.weight"].half().float())
    torch.testing.assert_close(own["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"].half().float())
    assert float(own["layer1.0.bn1.running_var"][0]) == (1.0 if fresh else 1.5)
    assert own["layer0.0.weight"].dtype == torch.float32


def test_mobilenetv2_covers_the_whole_backbone(tmp_path: Path) -> None:
    source = build_network("pspnet_mobilenetv2", 3)
    state = {
        key.removeprefix("backbone."): value
        for key, value in source.state_dict().items()
        if key.startswith("backbone.")
    }
    # What torchvision's file has besides: the last 1×1 convolution and the classifier.
    state |= {"features.18.0.weight": torch.ones(1280, 320, 1, 1), "classifier.1.bias": torch.ones(1000)}
    state["features.0.1.running_mean"] = state["features.0.1.running_mean"] + 1
    torch.save(state, tmp_path / "mobilenet.pth")
    network = build_network("pspnet_mobilenetv2", 3)
    start = load_backbone(network, tmp_path / "mobilenet.pth")
    assert not start.needs_statistics
    for key, value in network.backbone.state_dict().items():
        torch.testing.assert_close(value, state[key])


@pytest.mark.parametrize("name", ["hrnet_w18_small", "hrnet_w18_small_v1"])
def test_hrnet_covers_all_but_the_last_layer(name: str, tmp_path: Path) -> None:
    state = {key: value for key, value in build_network(name, 3).state_dict().items() if "last_layer" not in key}
    state["bn1.running_mean"] = state["bn1.running_mean"] + 1
    # What the ImageNet file has besides: the classification head over all branches.
    state |= {"incre_modules.0.0.conv1.weight": torch.ones(32, 18, 1, 1), "classifier.bias": torch.ones(1000)}
    torch.save(state, tmp_path / "hrnet.pth")
    network = build_network(name, 3)
    start = load_backbone(network, tmp_path / "hrnet.pth")
    assert not start.needs_statistics
    own = network.state_dict()
    for key in (*start.loaded, "transition1.0.0.weight", "stage4.0.fuse_layers.3.0.2.1.running_var"):
        torch.testing.assert_close(own[key], state[key])
    missed = {key for key in own if key not in start.loaded and not key.endswith("num_batches_tracked")}
    assert {key.split(".")[0] for key in missed} == {"last_layer"}


def test_the_other_hrnet_s_file_is_refused(tmp_path: Path) -> None:
    torch.save(build_network("hrnet_w18_small_v1", 3).state_dict(), tmp_path / "v1.pth")
    with pytest.raises(CheckpointError, match="backbone's .* weights"):
        load_backbone(build_network("hrnet_w18_small", 3), tmp_path / "v1.pth")


def test_a_file_of_another_backbone_is_refused(tmp_path: Path) -> None:
    resnet18_file(tmp_path / "resnet18.safetensors", True)
    with pytest.raises(CheckpointError, match="without"):
        load_backbone(build_network("pspnet_mobilenetv2", 3), tmp_path / "resnet18.safetensors")
    with pytest.raises(CheckpointError, match="ESPNet"):
        load_backbone(build_network("espnet", 3), tmp_path / "resnet18.safetensors")


def test_estimated_statistics_are_the_data_s() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(3)).eval()
    batches = [torch.randn(4, 3, 5, 5) * 2 + 7 for _ in range(3)]
    estimate_statistics(network, batches)
    norm = network[0]
    together = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_mean, together)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(norm.running_var, variances)
    assert norm.momentum == 0.1
    assert not network.training
