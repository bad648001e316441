"""Authors' checkpoints evaluated against torch on the same frames."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from msgspec import UNSET
from torch import nn

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CheckpointError, DatasetError, DependencyError, EtcEdgeError
from etc_edge.core.results import Results
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.flip import flipped_bundle
from etc_edge.stages.official import official_bundle
from tests.small_cityscapes import (
    LABELLED,
    SIZE_HW,
    official_content,
    pictures,
    uneven_network,
    write_cityscapes,
)
from tests.small_networks import Float, UInt8

NAME = "street_small"
MEAN, STD = (np.array(values) * 255 for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return uneven_network(NAME)


@pytest.fixture(scope="module")
def checkpoint(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "eval_para.pth"
    torch.save(official_content(network, "flat"), path)
    return path


def torch_logits(network: nn.Module, frame: UInt8) -> Float:
    """Logits at the frame's size, (classes, H, W), normalised as the ETC authors do."""
    image = torch.from_numpy(((frame - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        full = torch.nn.functional.interpolate(network(image), frame.shape[:2], mode="bilinear", align_corners=True)
    logits: Float = full[0].numpy()
    return logits


def measured(checkpoint: Path, data: Path, average: str | None = None) -> Results:
    with official_bundle(checkpoint, str(data), network=NAME) as bundle:
        if average is None:
            return evaluate(bundle, str(data), "val", None, "onnxruntime", threads=1)
        with flipped_bundle(bundle, average) as flipped:  # type: ignore[arg-type]
            return evaluate(flipped, str(data), "val", None, "onnxruntime", threads=1)


def miou(results: Results) -> float:
    assert not isinstance(results.accuracy, type(UNSET))
    return results.accuracy.miou


@pytest.mark.parametrize("form", ["flat", "training"])
def test_figures_are_those_of_torch(form: str, network: nn.Module, tmp_path: Path) -> None:
    """The ground truth here is what torch gives for the labelled frame, so nothing may be missed."""
    truth = torch_logits(network, pictures()[LABELLED]).argmax(0).astype(np.uint8)
    assert len(np.unique(truth)) > 3
    data = write_cityscapes(tmp_path / "cityscapes", truth)
    torch.save(official_content(network, form), tmp_path / "eval_para_ETC.pth")
    results = measured(tmp_path / "eval_para_ETC.pth", data)
    assert miou(results) > 0.99
    assert (results.bundle.name, results.data.frames, results.data.labelled_frames) == ("eval_para_ETC", 3, 1)
    assert not isinstance(results.temporal, type(UNSET))
    assert 0 < results.temporal.tc_etc < 1  # type: ignore[operator]


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_flip_averages_both_views(average: str, network: nn.Module, checkpoint: Path, tmp_path: Path) -> None:
    frame = pictures()[LABELLED]
    views = [torch_logits(network, view) for view in (frame, np.ascontiguousarray(frame[:, ::-1]))]
    if average == "probabilities":
        views = [np.exp(view - view.max(0)) / np.exp(view - view.max(0)).sum(0) for view in views]
    truth = ((views[0] + views[1][..., ::-1]) / 2).argmax(0).astype(np.uint8)
    data = write_cityscapes(tmp_path / "cityscapes", truth)
    assert miou(measured(checkpoint, data, average)) > 0.99
    assert miou(measured(checkpoint, data)) < 0.9, "one view is another model"


def test_size_and_classes_are_the_data_s(checkpoint: Path, tmp_path: Path) -> None:
    data = str(write_cityscapes(tmp_path / "cityscapes", np.zeros(SIZE_HW, np.uint8)))
    with official_bundle(checkpoint, data, network=NAME) as path:
        bundle = Bundle.open(path)
        assert bundle.preprocessing.size_hw == SIZE_HW
        assert (len(bundle.labels), bundle.labels.names[0]) == (19, "road")
        assert bundle.manifest.recipe["export"]["network"] == NAME
    assert not path.exists()
    with official_bundle(checkpoint, data, network=NAME, size_hw=(32, 96)) as path:
        assert Bundle.open(path).preprocessing.size_hw == (32, 96)


def test_what_is_refused(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = str(write_cityscapes(tmp_path / "cityscapes", np.zeros(SIZE_HW, np.uint8)))

    def refused(kind: type[EtcEdgeError], message: str, file: Path = checkpoint, **options: str) -> None:
        with pytest.raises(kind, match=message), official_bundle(file, **({"data": data} | options)):  # type: ignore[arg-type]
            pass

    refused(CheckpointError, "keys missing")
    refused(EtcEdgeError, "Found no network 'pspnet81'", network="pspnet81")
    refused(CheckpointError, "Found no checkpoint at", tmp_path / "absent.pth")
    (tmp_path / "text.pth").write_text("no weights")
    refused(CheckpointError, "no file of plain weights", tmp_path / "text.pth")
    refused(CheckpointError, "Found 19 classes in .*, expected the 9 of street", data="synthetic:street?size=64x96")
    refused(DatasetError, "Found no data set at", data=str(tmp_path / "absent"))
    refused(DatasetError, "Found no split 'test'", split="test")
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(DependencyError, "Found no package 'torch', which evaluating a checkpoint needs")
