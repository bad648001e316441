"""Bundles: what goes in comes out, and what was changed, lost or made by another version is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etc_edge.core.bundle import (
    MANIFEST,
    MODEL,
    SELFTEST,
    Bundle,
    BundleContents,
    SelfTest,
    check_bundle_path,
    is_bundle,
    write_bundle,
)
from etc_edge.core.errors import BundleError
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing

CONTENTS = BundleContents(
    name="street",
    precision="int8",
    labels=LabelSet(("road", "car"), ((128, 64, 128), (0, 0, 142)), 254),
    preprocessing=Preprocessing((4, 6), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "bgr"),
    logits="logits",
    model=b"a graph",
    selftest=SelfTest(np.arange(144, dtype=np.uint8).reshape(2, 4, 6, 3), np.ones((2, 4, 6), np.uint8)),
    ranges=b"{}",
    parents=("ab" * 32,),
    recipe={"observer": "mse"},
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "street.etc", CONTENTS)


def test_what_goes_in_comes_out(bundle: Bundle) -> None:
    opened = Bundle.open(str(bundle.path))
    opened.verify()
    assert (opened.name, opened.precision, opened.manifest.logits) == ("street", "int8", "logits")
    assert (opened.labels, opened.preprocessing) == (CONTENTS.labels, CONTENTS.preprocessing)
    assert opened.model_path.read_bytes() == b"a graph"
    assert opened.ranges_path is not None
    assert opened.ranges_path.read_bytes() == b"{}"
    selftest = opened.selftest()
    assert np.array_equal(selftest.frames, CONTENTS.selftest.frames)
    assert np.array_equal(selftest.labels, CONTENTS.selftest.labels)
    assert (opened.manifest.parents, opened.manifest.recipe) == (["ab" * 32], {"observer": "mse"})
    assert "numpy" in opened.manifest.versions


def test_hashes_are_those_of_the_files(bundle: Bundle) -> None:
    files = {entry.name: entry.read_bytes() for entry in bundle.path.iterdir()}
    assert bundle.hash == hashlib.sha256(files.pop(MANIFEST)).hexdigest()
    assert bundle.manifest.files == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_a_float_bundle_has_no_ranges(tmp_path: Path) -> None:
    contents = BundleContents(**{**vars(CONTENTS), "ranges": None, "precision": "fp32"})
    assert write_bundle(tmp_path / "b.etc", contents).ranges_path is None


@pytest.mark.parametrize("name", [MODEL, SELFTEST, "ranges.json"])
def test_a_changed_byte_is_found(bundle: Bundle, name: str) -> None:
    data = bytearray((bundle.path / name).read_bytes())
    data[-1] ^= 1
    (bundle.path / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"Found {name} in .* changed: SHA-256 .*, expected"):
        Bundle.open(bundle.path).verify()


@pytest.mark.parametrize("name", [MODEL, SELFTEST, "ranges.json"])
def test_a_missing_file_is_found_on_opening(bundle: Bundle, name: str) -> None:
    (bundle.path / name).unlink()
    with pytest.raises(BundleError, match=f"Found no file '{name}'"):
        Bundle.open(bundle.path)


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.pop(key)


def setting(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.update(values)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (setting(schema_version=2, new_key=1), "Found bundle schema 2 in .*, expected 1"),
        (without("schema_version"), "cannot be read.*schema_version"),
        (without("logits"), "cannot be read.*logits"),
        (setting(precision="int4"), "cannot be read.*int4"),
        (setting(extra=1), "cannot be read.*extra"),
        (setting(files={}), "lists no model.onnx"),
        (setting(files={"model.onnx": "", "selftest.npz": "", "../secret": ""}), "Found no file '../secret'"),
        (setting(labels={"names": []}), "In the manifest of .*: Found 0 classes"),
        (setting(labels={"names": "road"}), "In the manifest of .*: Found a list of classes"),
        (setting(preprocessing={}), "In the manifest of .*: Found preprocessing that cannot be read"),
    ],
)
def test_a_manifest_that_does_not_fit(bundle: Bundle, change: Callable[[dict[str, Any]], object], says: str) -> None:
    manifest = json.loads((bundle.path / MANIFEST).read_text())
    change(manifest)
    (bundle.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=says):
        Bundle.open(bundle.path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_manifest_that_is_no_json_object(bundle: Bundle, text: bytes) -> None:
    (bundle.path / MANIFEST).write_bytes(text)
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.open(bundle.path)


def test_what_is_no_bundle(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="Found no bundle at"):
        Bundle.open(tmp_path / "absent.etc")
    for path in (tmp_path, bundle.model_path):
        with pytest.raises(BundleError, match=r"without a readable manifest\.json, expected a bundle"):
            Bundle.open(path)
    assert is_bundle(bundle.path)
    assert not is_bundle(tmp_path)


def test_a_damaged_self_test(bundle: Bundle) -> None:
    (bundle.path / SELFTEST).write_bytes(bundle.selftest_path.read_bytes()[:40])
    with pytest.raises(BundleError, match=r"selftest\.npz damaged"):
        bundle.selftest()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_bundle_is_not_overwritten(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "precious.etc"
    if kind == "folder":
        path.mkdir()
        (path / "thesis.txt").write_text("years of work")
    else:
        path.write_text("years of work")
    for act in (lambda: check_bundle_path(path), lambda: write_bundle(path, CONTENTS)):
        with pytest.raises(BundleError, match="is no bundle and would be overwritten"):
            act()
    assert (path / "thesis.txt" if kind == "folder" else path).read_text() == "years of work"


def test_the_name_has_to_end_in_etc(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"Found the bundle name 'street\.onnx', expected one that ends in \.etc"):
        write_bundle(tmp_path / "street.onnx", CONTENTS)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_takes_the_place_of_another(bundle: Bundle) -> None:
    again = write_bundle(bundle.path, BundleContents(**{**vars(CONTENTS), "name": "again"}))
    assert Bundle.open(bundle.path).name == again.name == "again"
    assert again.hash != bundle.hash
    assert [entry.name for entry in bundle.path.parent.iterdir()] == ["street.etc"]


def test_a_copy_is_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(bundle.path, tmp_path / "copy.etc")
    copy = Bundle.open(tmp_path / "copy.etc")
    copy.verify()
    assert copy.hash == bundle.hash
