"""Names of targets: what there is, what is not installed, what is mistyped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.table import BACKENDS, CPU_BACKENDS, load_compiler
from etc_edge.backends.targets import check_target, compiled_for
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CompileError, DependencyError, EngineError, EtcEdgeError
from tests.tiny_bundle import write_tiny_bundle
from tests.unit.backends import other_backends as other
from tests.unit.backends.conftest import ONE_THREAD
from tests.unit.backends.other_backends import named


@pytest.mark.parametrize("target", ["cpu", *BACKENDS.names(), named(other.Recalling)])
def test_targets_that_there_are(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize("target", ["jetson-orin", "tensorrt", "desktop-gpu"])
def test_a_target_whose_engine_is_not_installed_says_so(
    target: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    check_target(target)
    with pytest.raises(DependencyError, match="Found no package 'tensorrt'") as caught:
        compiled_for(bundle, target, EngineOptions(threads=1))
    assert caught.value.hint == 'Try: pip install "etc-edge[tensorrt]"'


def test_a_mistyped_target_gets_the_nearest_name() -> None:
    with pytest.raises(CompileError) as caught:
        check_target("openvimo")
    assert caught.value.hint == "Did you mean 'openvino'?"


def test_the_processors_engines_are_in_the_table() -> None:
    assert set(CPU_BACKENDS) <= set(BACKENDS.names())


@pytest.mark.parametrize("name", ["no.such.module:Class", f"{other.__name__}:NoSuchClass"])
def test_a_backend_elsewhere_that_is_not_there(name: str) -> None:
    with pytest.raises(EtcEdgeError, match="Found no backend"):
        load_compiler(name)


def test_compiling_to_a_folder_checks_the_folder_first(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(EtcEdgeError, match="would be overwritten"):
        compiled_for(bundle, named(other.CrashesCompiling), ONE_THREAD, folder=tmp_path)
    out = tmp_path / "engine"
    compiled = compiled_for(bundle, named(other.Recalling), ONE_THREAD, folder=out)
    assert compiled.path == out
    assert compiled.labels == bundle.labels
    assert compiled.preprocessing == bundle.preprocessing


def test_a_changed_bundle_is_not_compiled(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    data = bytearray(bundle.model_path.read_bytes())
    data[-20] ^= 1
    bundle.model_path.write_bytes(data)
    with pytest.raises(BundleError, match=r"model.onnx in .* changed"):
        compiled_for(bundle, named(other.Recalling), ONE_THREAD)


def test_no_threads_is_refused() -> None:
    with pytest.raises(EngineError, match="Found 0 threads"):
        EngineOptions(threads=0)
