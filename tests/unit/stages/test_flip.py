"""Bundles that see each frame twice, against the one-view bundle's logits averaged in numpy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, DependencyError
from etc_edge.data.dataset import open_dataset
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.graph.load import load_model
from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.runtime.segmenter import Segmenter
from etc_edge.stages.compile import compile_bundle
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.flip import flip, flipped_bundle
from tests.small_networks import Float, UInt8, frames, labels_and_logits
from tests.street_models import DATA, float_bundle, int8_bundle


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Bundle:
    return int8_bundle(floating)


def by_hand(bundle: Bundle, frame: UInt8) -> Float:
    """The mean of both views' logits at the frame's size, (classes, H, W)."""
    model, logits = load_model(bundle.model_path), bundle.manifest.logits
    one, mirrored = (labels_and_logits(model, logits, view)[1] for view in (frame, frame[:, ::-1].copy()))
    mean = torch.from_numpy((one + mirrored[..., ::-1]) / 2)[None]
    full: Float = torch.nn.functional.interpolate(mean, frame.shape[:2], mode="bilinear")[0].numpy()
    return full


@pytest.mark.parametrize("precision", ["floating", "int8"])
@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_engines_give_the_labels_of_the_mean(
    precision: str, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundle: Bundle = request.getfixturevalue(precision)
    flipped = flip(bundle.path, tmp_path / "flipped.etc")
    assert (flipped.name, flipped.precision, flipped.labels) == (f"{bundle.name}-flip", bundle.precision, bundle.labels)
    assert flipped.manifest.parents == [bundle.hash]
    assert flipped.manifest.recipe["flip"] == {"average": "logits"}
    with Segmenter.load(flipped, target, 1) as segmenter:
        for frame in frames(2):
            expected = by_hand(bundle, frame)
            second, first = np.sort(expected, 0)[-2:]
            # An engine may round INT8 codes the other way at a tie.
            clear = first - second > (1e-4 if precision == "floating" else 0.1)
            assert clear.mean() > 0.5
            assert np.mean(segmenter(frame)[clear] == expected.argmax(0)[clear]) >= 0.99


def test_evaluation_measures_it_like_any_bundle(floating: Bundle) -> None:
    with flipped_bundle(floating.path) as path:
        found = evaluate(path, DATA, "val", floating.path, "onnxruntime", threads=1)
    assert not path.exists()
    dataset = open_dataset(DATA)
    confusion = ConfusionMatrix(len(dataset.label_set), dataset.label_set.void)
    size_hw = floating.preprocessing.size_hw
    for clip in dataset.clips("val"):
        for index in range(len(clip)):
            frame = clip[index]
            assert frame.labels is not None
            labels = by_hand(floating, fit_frame(frame.image_rgb, size_hw)).argmax(0).astype(np.uint8)
            height, width = frame.labels.shape
            confusion.update(fit_labels(labels, (height, width)), frame.labels)
    expected = confusion.compute(dataset.label_set.names)
    assert found.accuracy.miou == pytest.approx(expected.miou, abs=1e-3)  # type: ignore[union-attr]
    assert found.bundle.name == "small-flip"


def test_nothing_is_left_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, floating: Bundle) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BundleError, match="Found no bundle at"), flipped_bundle(tmp_path / "absent.etc"):
        pass
    with pytest.raises(KeyboardInterrupt), flipped_bundle(floating.path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_engine_and_a_machine_without_onnx(
    floating: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = compile_bundle(floating.path, "onnxruntime", tmp_path / "engine", threads=1)
    with pytest.raises(BundleError, match="Found a compiled engine at"):
        flip(engine.path, tmp_path / "flipped.etc")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DependencyError, match="averaging a frame's two views needs"):
        flip(floating.path, tmp_path / "flipped.etc")
