"""Bundles give the labels of the network that they were made from, worked out in torch and numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CheckpointError, DatasetError, GraphError
from etc_edge.core.hashing import sha256_file
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, Preprocessing
from etc_edge.graph.heads import Upsampling
from etc_edge.models.released import Released, save_released
from etc_edge.models.table import build_network
from etc_edge.stages import export as stage
from etc_edge.stages.export import ExportOptions, export, labels_of, selftest_frames
from tests.small_networks import CLASSES, SIZE_HW, Builder, UInt8, frames, network, run


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "network.onnx"
    onnx.save(model, path)
    return path


def expected_labels(
    model: onnx.ModelProto, frame: UInt8, mean: Any, std: Any, bgr: bool, upsampling: Upsampling
) -> tuple[Any, Any]:
    """Labels of the original network, and where no two classes are near each other."""
    image = (frame.astype(np.float64) - mean) / std
    image = image[..., ::-1] if bgr else image
    feeds = {model.graph.input[0].name: image.transpose(2, 0, 1)[None].astype(np.float32)}
    logits = torch.from_numpy(run(model, feeds, [model.graph.output[0].name])[0]).double()
    full = torch.nn.functional.interpolate(
        logits, frame.shape[:2], mode="bilinear", align_corners=upsampling == "align_corners"
    )
    best = full.topk(2, dim=1)
    return best.indices[0, 0].numpy(), (best.values[0, 0] - best.values[0, 1] > 1e-4).numpy()


@pytest.mark.parametrize("upsampling", ["half_pixel", "align_corners"])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_labels_are_those_of_the_original(color: Any, upsampling: Upsampling, tmp_path: Path) -> None:
    model = network("batch_norm")
    mean, std = (104.0, 117.0, 123.0), (57.0, 58.0, 59.0)
    options = ExportOptions(mean_rgb=mean, std_rgb=std, color=color, upsampling=upsampling)
    report = export(save(model, tmp_path), tmp_path / "b.etc", options)
    assert report.difference <= 1e-4
    for frame in frames(2):
        labels = labels_of(report.bundle.model_path.read_bytes(), frame[None])[0]
        expected, clear = expected_labels(model, frame, mean, std, color == "bgr", upsampling)
        assert clear.mean() > 0.99
        assert np.array_equal(labels[clear], expected[clear])


def test_what_the_manifest_says(tmp_path: Path) -> None:
    source = save(network("relu"), tmp_path)
    bundle = export(source, tmp_path / "b.etc").bundle
    opened = Bundle.open(tmp_path / "b.etc")
    opened.verify()
    assert (opened.name, opened.precision, opened.hash) == ("network", "fp32", bundle.hash)
    assert opened.preprocessing == Preprocessing(SIZE_HW, IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, "rgb")
    assert opened.labels.names == tuple(f"class {index}" for index in range(CLASSES))
    assert opened.manifest.parents == [sha256_file(source)]
    assert opened.manifest.recipe == {"export": {"source": "network.onnx", "upsampling": "half_pixel"}}
    assert opened.ranges_path is None
    selftest = opened.selftest()
    assert np.array_equal(selftest.labels, labels_of(opened.model_path.read_bytes(), selftest.frames))


def test_classes_and_name_that_are_given(tmp_path: Path) -> None:
    classes = tmp_path / "classes.yaml"
    classes.write_text("names: [a, b, c, d, e]")
    bundle = export(save(network("relu"), tmp_path), tmp_path / "b.etc", ExportOptions("mine", classes)).bundle
    assert (bundle.name, bundle.labels.names) == ("mine", tuple("abcde"))


def test_a_dynamic_size_is_fixed(tmp_path: Path) -> None:
    model = network("resize_half_pixel")
    for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    source = save(model, tmp_path)
    with pytest.raises(GraphError, match="of unknown size"):
        export(source, tmp_path / "b.etc")
    bundle = export(source, tmp_path / "b.etc", ExportOptions(size_hw=(40, 64))).bundle
    assert bundle.preprocessing.size_hw == (40, 64)
    assert bundle.selftest().labels.shape == (2, 40, 64)


@pytest.mark.parametrize("between", [None, "Identity"])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_a_softmax_at_the_end_is_taken_off(kind: str, between: str | None, tmp_path: Path) -> None:
    build = Builder()
    logits = build.conv("image", CLASSES, kernel=5)
    last = build.node(kind, logits if between is None else build.node(between, logits), axis=1)
    bundle = export(save(build.model(last), tmp_path), tmp_path / "b.etc").bundle
    assert kind not in {node.op_type for node in onnx.load(bundle.model_path).graph.node}


@pytest.mark.parametrize("opset", [9, 11, 18])
def test_other_opsets(opset: int, tmp_path: Path) -> None:
    assert export(save(network("batch_norm", opset=opset), tmp_path), tmp_path / "b.etc").difference <= 1e-4


def with_weight(value: float) -> onnx.ModelProto:
    build = Builder()
    return build.model(build.node("Mul", build.conv("image", CLASSES), build.constant(value)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_finite(value: float, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="Found logits that are not finite"):
        export(save(with_weight(value), tmp_path), tmp_path / "b.etc")
    assert not (tmp_path / "b.etc").exists()


def test_wrong_number_of_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("names: [a, b, c]")
    options = ExportOptions(classes=tmp_path / "classes.yaml")
    with pytest.raises(GraphError, match="Found 5 channels in output .*, expected one a class: 3"):
        export(save(network("relu"), tmp_path), tmp_path / "b.etc", options)
    with pytest.raises(DatasetError, match="Found no readable list of classes"):
        export(save(network("relu"), tmp_path), tmp_path / "b.etc", ExportOptions(classes=tmp_path / "absent.yaml"))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["classes.yaml", "network.onnx"]


def test_a_deployed_graph_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "normalised", lambda frame, _: np.zeros((1, 3, *frame.shape[:2]), np.float32))
    with pytest.raises(GraphError, match="differ from the original's by"):
        export(save(network("relu"), tmp_path), tmp_path / "b.etc")
    assert not (tmp_path / "b.etc").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_export_leaves_nothing(
    error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise error

    source = save(network("relu"), tmp_path)
    before = export(source, tmp_path / "b.etc").bundle.hash
    monkeypatch.setattr("etc_edge.core.bundle.np.savez_compressed", interrupted)
    for out in ("b.etc", "new.etc"):
        with pytest.raises(error):
            export(source, tmp_path / out)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b.etc", "network.onnx"]
    assert Bundle.open(tmp_path / "b.etc").hash == before


def test_what_is_no_bundle_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b.etc").mkdir()
    (tmp_path / "b.etc" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is no bundle and would be overwritten"):
        export(tmp_path / "network.onnx", tmp_path / "b.etc")


@pytest.mark.parametrize("size_hw", [(32, 48), (37, 51), (360, 480)])
def test_frames_of_the_self_test(size_hw: tuple[int, int]) -> None:
    found = selftest_frames(size_hw)
    assert (found.dtype, found.shape) == (np.uint8, (2, *size_hw, 3))
    assert np.array_equal(found, selftest_frames(size_hw))
    assert found.std() > 20


@pytest.mark.parametrize("name", ["street_small", "hrnet_w18_small"])
def test_released_weights(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    labels = LabelSet(("a", "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
    preprocessing = Preprocessing((64, 96), (10.0, 20.0, 30.0), (40.0, 50.0, 60.0), "bgr")
    path = tmp_path / f"{name}-test.safetensors"
    save_released(Released(name, build_network(name, 3), labels, preprocessing, {"data": "x"}), path)
    report = export(path, tmp_path / "b.etc")
    assert report.difference <= 1e-4
    assert (report.bundle.labels, report.bundle.preprocessing) == (labels, preprocessing)
    assert report.bundle.manifest.recipe["export"]["network"] == name
    assert report.bundle.manifest.recipe["export"]["upsampling"] == "align_corners"


def test_checkpoints_that_do_not_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Found no checkpoint at .*absent\.pth"):
        export(tmp_path / "absent.pth", tmp_path / "b.etc")
    torch.save({}, tmp_path / "foreign.pth")
    with pytest.raises(CheckpointError, match="does not say what it holds") as error:
        export(tmp_path / "foreign.pth", tmp_path / "b.etc")
    assert error.value.hint is not None
    assert "--network" in error.value.hint
