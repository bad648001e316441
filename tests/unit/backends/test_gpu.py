"""What is said of a GPU that is not there, is hidden, or cannot be used by this build of torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etc_edge.backends import gpu
from etc_edge.backends.device import cpu_device
from etc_edge.core.errors import DependencyError, EngineError

torch = pytest.importorskip("torch")

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(autouse=True)
def _no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DRIVER_FILES", ())
    monkeypatch.delenv(gpu.VISIBLE, raising=False)


@no_gpu
def test_without_a_gpu_torch_runs_on_the_processor() -> None:
    assert not gpu.uses_gpu("the torch engine")
    assert gpu.torch_device("the torch engine") == cpu_device()


@no_gpu
def test_a_gpu_that_this_torch_cannot_use_is_no_silent_fallback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "DRIVER_FILES", (str(tmp_path),))
    with pytest.raises(EngineError, match=r"Found an NVIDIA GPU that torch .* cannot use") as caught:
        gpu.uses_gpu("the torch engine")
    assert "CUDA_VISIBLE_DEVICES=" in str(caught.value.hint)
    monkeypatch.setenv(gpu.VISIBLE, "")
    assert not gpu.uses_gpu("the torch engine")


@no_gpu
@pytest.mark.parametrize(("visible", "found"), [(None, "no NVIDIA GPU"), ("-1", "CUDA_VISIBLE_DEVICES hiding every")])
def test_what_needs_a_gpu_says_why_there_is_none(
    visible: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is not None:
        monkeypatch.setenv(gpu.VISIBLE, visible)
    with pytest.raises(EngineError, match=f"Found {found}.*expected one for Torch-TensorRT"):
        gpu.gpu_device("Torch-TensorRT")


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match=r"etc-edge\[torch\]"):
        gpu.torch_device("the torch engine")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build\n", "575.57.08"),
        ("something else", "of an unknown version"),
    ],
)
def test_the_drivers_version(text: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "version"
    path.write_text(text)
    monkeypatch.setattr(gpu, "DRIVER_VERSION", path)
    assert gpu._driver() == version
