from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, write_bundle
from etc_edge.core.errors import BundleError, EtcEdgeError
from etc_edge.stages.verify import verify
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


@pytest.mark.parametrize("target", ["onnxruntime", "openvino"])
def test_a_whole_bundle(bundle: Bundle, target: str) -> None:
    report = verify(bundle.path, target)
    assert report.backend == target
    assert report.agreement >= 0.999
    assert report.bundle.hash == bundle.hash


def test_a_changed_byte(tmp_path: Path) -> None:
    changed = write_tiny_bundle(tmp_path / "colors.etc")
    data = bytearray(changed.model_path.read_bytes())
    data[len(data) // 2] ^= 1
    changed.model_path.write_bytes(data)
    with pytest.raises(BundleError, match=r"Found model\.onnx in .* changed"):
        verify(changed.path, "onnxruntime")


def test_labels_that_no_engine_gives(bundle: Bundle, tmp_path: Path) -> None:
    stated = bundle.selftest()
    contents = BundleContents(
        name="colors",
        precision="fp32",
        labels=bundle.labels,
        preprocessing=bundle.preprocessing,
        logits="logits",
        model=bundle.model_path.read_bytes(),
        selftest=dataclasses.replace(stated, labels=(stated.labels + 1) % 3),
    )
    assert isinstance(contents.selftest, SelfTest)
    other = write_bundle(tmp_path / "other.etc", contents)
    with pytest.raises(EtcEdgeError, match="Found onnxruntime .* labelling"):
        verify(other.path, "onnxruntime")


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="Found no bundle at"):
        verify(tmp_path / "absent.etc")
