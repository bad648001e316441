"""The bundle: a folder `NAME.etc` that holds one deployable model and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.core.atomic import atomic_directory
from etc_edge.core.environment import versions
from etc_edge.core.errors import BundleError, EtcEdgeError
from etc_edge.core.hashing import sha256_bytes, sha256_file
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
MODEL = "model.onnx"
RANGES = "ranges.json"
SELFTEST = "selftest.npz"

Precision = Literal["fp32", "int8"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `manifest.json` holds; `logits` names the tensor that the labels are the argmax of."""

    schema_version: int
    name: str
    precision: Precision
    labels: dict[str, Any]
    preprocessing: dict[str, Any]
    logits: str
    files: dict[str, str]
    parents: list[str] = []
    recipe: dict[str, Any] = {}
    versions: dict[str, str] = {}
    results: dict[str, Any] = {}


class _Schema(msgspec.Struct):
    """The one key that every version of a manifest has."""

    schema_version: int


@dataclass(frozen=True)
class SelfTest:
    """Frames with the labels that the model must give: uint8 (N, H, W, 3) and uint8 (N, H, W)."""

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class BundleContents:
    """Everything that a new bundle is made from; the manifest's hashes and versions are filled in on writing."""

    name: str
    precision: Precision
    labels: LabelSet
    preprocessing: Preprocessing
    logits: str
    model: bytes
    selftest: SelfTest
    ranges: bytes | None = None
    parents: tuple[str, ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; nothing in it is ever changed in place.

    Args:
        path: the folder.
        manifest: its parsed manifest.
        hash: SHA-256 of the manifest, which holds the hash of every other file: the bundle's identity.
    """

    path: Path
    manifest: Manifest
    hash: str

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Read a bundle's manifest and check that its files are there; `verify` checks their contents.

        Raises:
            BundleError: no such folder, no manifest, another schema, or a missing file.
        """
        path = Path(path)
        if not path.exists():
            raise BundleError(f"Found no bundle at {path}.", "Make one with: etc-edge export CHECKPOINT --out B.etc")
        try:
            text = (path / MANIFEST).read_bytes()
            # Another schema may have other keys, so its number is looked at before anything else.
            schema = msgspec.json.decode(text, type=_Schema).schema_version
            if schema != SCHEMA_VERSION:
                raise BundleError(
                    f"Found bundle schema {schema} in {path}, expected {SCHEMA_VERSION}.",
                    "Export the model again with this version of etc-edge.",
                )
            manifest = msgspec.json.decode(text, type=Manifest)
        except OSError as error:
            raise BundleError(
                f"Found {path} without a readable {MANIFEST}, expected a bundle (a folder NAME.etc)."
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BundleError(
                f"Found a manifest in {path} that cannot be read: {error}.", "Make or copy the bundle again."
            ) from error
        for name in (MODEL, SELFTEST):
            if name not in manifest.files:
                raise BundleError(f"Found a manifest in {path} that lists no {name}.")
        for name in manifest.files:
            if Path(name).name != name or not (path / name).is_file():
                raise BundleError(f"Found no file {name!r} in {path}, which its manifest lists.")
        bundle = cls(path, manifest, sha256_bytes(text))
        try:
            _ = bundle.labels, bundle.preprocessing
        except EtcEdgeError as error:
            raise BundleError(f"In the manifest of {path}: {error.message}", error.hint) from error
        return bundle

    def verify(self) -> None:
        """Compare every file with its recorded SHA-256.

        Raises:
            BundleError: a file's content is not what the manifest records.
        """
        for name, recorded in self.manifest.files.items():
            found = sha256_file(self.path / name)
            if found != recorded:
                raise BundleError(
                    f"Found {name} in {self.path} changed: SHA-256 {found[:12]}…, expected {recorded[:12]}….",
                    "Make or copy the bundle again.",
                )

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def precision(self) -> Precision:
        """`fp32` or `int8`."""
        return self.manifest.precision

    @cached_property
    def labels(self) -> LabelSet:
        """Classes, colours and void."""
        return LabelSet.from_dict(self.manifest.labels)

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """Input size, normalisation and colour order; it is part of the graph already."""
        return Preprocessing.from_dict(self.manifest.preprocessing)

    @property
    def model_path(self) -> Path:
        """The graph: uint8 frames in, uint8 labels out."""
        return self.path / MODEL

    @property
    def ranges_path(self) -> Path | None:
        """Calibrated ranges of a quantized model."""
        return self.path / RANGES if RANGES in self.manifest.files else None

    @property
    def selftest_path(self) -> Path:
        """The file that `selftest` reads."""
        return self.path / SELFTEST

    def selftest(self) -> SelfTest:
        """Frames with the labels that the model must give.

        Raises:
            BundleError: the file is damaged.
        """
        try:
            with self.selftest_path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                return SelfTest(data["frames"], data["labels"])
        except Exception as error:  # numpy and zipfile raise a dozen kinds on damaged archives
            raise BundleError(f"Found {self.selftest_path} damaged.", "Make or copy the bundle again.") from error


def is_bundle(path: Path | str) -> bool:
    """Whether a path looks like a bundle."""
    return (Path(path) / MANIFEST).is_file()


def write_bundle(path: Path | str, contents: BundleContents) -> Bundle:
    """Write a new bundle, whole or not at all, and open it.

    Raises:
        BundleError: the path does not end in `.etc`, or something that is no bundle stands there.
        EtcEdgeError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    check_bundle_path(path)
    with atomic_directory(path) as folder:
        (folder / MODEL).write_bytes(contents.model)
        np.savez_compressed(folder / SELFTEST, frames=contents.selftest.frames, labels=contents.selftest.labels)
        if contents.ranges is not None:
            (folder / RANGES).write_bytes(contents.ranges)
        files = {file.name: sha256_file(file) for file in sorted(folder.iterdir())}
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=contents.name,
            precision=contents.precision,
            labels=contents.labels.to_dict(),
            preprocessing=contents.preprocessing.to_dict(),
            logits=contents.logits,
            files=files,
            parents=list(contents.parents),
            recipe=dict(contents.recipe),
            versions=versions(),
            results=dict(contents.results),
        )
        (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
    return Bundle.open(path)


def check_bundle_path(path: Path) -> None:
    """Refuse a place for a bundle early, before long work.

    Raises:
        BundleError: the name does not end in `.etc`, or something that is no bundle stands there.
    """
    if path.suffix != ".etc":
        raise BundleError(f"Found the bundle name {path.name!r}, expected one that ends in .etc.")
    if path.exists() and not is_bundle(path):
        raise BundleError(f"Found {path}, which is no bundle and would be overwritten.", "Choose another --out.")
