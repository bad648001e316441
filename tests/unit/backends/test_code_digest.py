"""The digest changes with the code that lowers and compiles, and with nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import etc_edge
from etc_edge.backends import code_digest as digest
from etc_edge.core.errors import EtcEdgeError
from tests.unit.backends import other_backends as other
from tests.unit.backends.other_backends import named

PACKAGE = Path(etc_edge.__file__).parent


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's sources that the digest looks at instead."""
    copy = tmp_path / "etc_edge"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digest, "_PACKAGE", copy)
    monkeypatch.setattr(digest, "_file_of", lambda module: copy.parent.joinpath(*module.split(".")).with_suffix(".py"))
    digest._digest_of.cache_clear()
    return copy


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("graph/passes/symmetric_grids.py", True),
        ("graph/tensorrt.py", True),
        ("torch_graph/plan.py", True),
        ("backends/labels_head.py", True),
        ("backends/onnxruntime/engine.py", True),
        ("backends/openvino/compiler.py", False),
        ("metrics/confusion.py", False),
        ("stages/compile.py", False),
    ],
)
def test_what_makes_an_engine_counts(copied: Path, file: str, counts: bool) -> None:
    before = digest.code_digest("onnxruntime")
    with (copied / file).open("a") as source:
        source.write("\n# changed\n")
    digest._digest_of.cache_clear()
    assert (digest.code_digest("onnxruntime") != before) == counts


def test_backends_differ_and_one_of_another_house_counts_its_own_file() -> None:
    found = {digest.code_digest(name) for name in ("onnxruntime", "openvino", "tensorrt", named(other.Recalling))}
    assert len(found) == 4


def test_the_digest_is_the_same_every_time_and_a_backend_must_exist() -> None:
    first = digest.code_digest("onnxruntime")
    digest._digest_of.cache_clear()
    assert digest.code_digest("onnxruntime") == first
    with pytest.raises(EtcEdgeError):
        digest.code_digest("nothing")
