"""The released files are the ones that were recorded, and the INT8 bundles run."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.core.hashing import sha256_file
from etc_edge.stages.verify import verify
from tests.architecture.package_files import REPOSITORY

ZOO = REPOSITORY / "zoo"
RECORDED = [line.split("  ") for line in (ZOO / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
BUNDLES = sorted(ZOO.glob("*.etc"))


@pytest.mark.parametrize(("recorded", "name"), RECORDED, ids=[name for _, name in RECORDED])
def test_files_are_as_recorded(recorded: str, name: str) -> None:
    assert sha256_file(ZOO / name) == recorded


def test_every_file_is_recorded() -> None:
    files = {str(file.relative_to(ZOO)) for file in ZOO.rglob("*") if file.is_file()}
    assert files - {"README.md", "SHA256SUMS"} == {name for _, name in RECORDED}


@pytest.mark.parametrize("bundle", BUNDLES, ids=[bundle.stem for bundle in BUNDLES])
def test_int8_bundles_verify(bundle: Path) -> None:
    assert verify(bundle, "onnxruntime").agreement > 0.99
