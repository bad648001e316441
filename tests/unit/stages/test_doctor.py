from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import pytest

from etc_edge.backends.table import BACKENDS, CPU_BACKENDS
from etc_edge.stages import doctor as stage
from etc_edge.stages.doctor import Diagnosis, doctor


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return doctor()


def test_the_machine_is_described(diagnosis: Diagnosis) -> None:
    assert diagnosis.python.startswith(platform.python_version())
    assert 1 <= diagnosis.cores <= diagnosis.cores_total
    assert diagnosis.memory_bytes is not None
    assert diagnosis.memory_available_bytes is not None
    assert 0 < diagnosis.memory_available_bytes <= diagnosis.memory_bytes
    assert diagnosis.cache_problem is None


def test_installed_packages_have_the_version_that_pip_knows(diagnosis: Diagnosis) -> None:
    found = {package.module: package for package in diagnosis.packages}
    for module in ("numpy", "av", "onnx", "onnxruntime", "openvino"):
        assert found[module].problem is None
        assert found[module].version == metadata.version(module)


def test_the_codecs_that_a_video_needs_are_found(diagnosis: Diagnosis) -> None:
    assert diagnosis.video_encoders
    assert {"h264", "mpeg4"} <= set(diagnosis.video_decoders)


def test_every_backend_has_a_verdict(diagnosis: Diagnosis) -> None:
    assert [target.name for target in diagnosis.targets] == ["cpu", *BACKENDS.names()]
    assert {target.name for target in diagnosis.targets if not target.missing} >= {"cpu", *CPU_BACKENDS}


def test_a_package_that_is_missing_comes_with_its_install_line() -> None:
    package = stage._try_package("a_package_that_is_not_there", "openvino")
    assert package.problem == "not installed"
    assert package.install == 'pip install "etc-edge[openvino]"'
    missing = {target.name: target.missing for target in stage._targets((package,))}
    assert missing["openvino"] == (package.install,)
    assert missing["onnxruntime"] == missing["cpu"] == (), "one engine is enough for a processor"


def test_one_line_installs_what_training_lacks() -> None:
    packages = tuple(stage._try_package(f"not_there_for_{extra}", extra) for extra in ("graph", "train"))
    missing = {work.name: work.missing for work in stage._work(packages)}
    assert missing["train, export a checkpoint"] == ('pip install "etc-edge[train]"',)
    assert missing["export ONNX, quantize, compile"] == ('pip install "etc-edge[graph]"',)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("raise ImportError('libX.so: cannot open shared object file')", "does not load: ImportError: libX.so"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed while loading (signal 11)"),
        ("import a_package_below_it", "does not load: ModuleNotFoundError"),
    ],
)
def test_a_package_that_breaks_is_told_apart_from_one_that_is_missing(
    source: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_broken_package.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    package = stage._try_package("a_broken_package", "train")
    assert package.version is None
    assert package.problem is not None
    assert package.problem.startswith(problem)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert stage._write_problem(tmp_path / "etc-edge") == f"no permission to write in {tmp_path}"


def test_a_cache_below_a_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert stage._write_problem(file / "etc-edge") == f"{file} is no folder"
