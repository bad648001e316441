"""The torch engine on a real GPU: FP16 near FP32, one CUDA graph a frame, memory given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.compiled import SELFTEST_AGREEMENT, Compiled, compile_here
from etc_edge.core.bundle import Bundle
from etc_edge.stages.demo import MODEL
from tests.architecture.package_files import REPOSITORY

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use")

BUNDLES = sorted((REPOSITORY / "zoo").glob("*-int8.etc"))


def compiled(bundle: Bundle, backend: str, folder: Path) -> Compiled:
    folder.mkdir()
    compile_here(bundle, backend, EngineOptions(threads=1), folder)
    return Compiled.open(folder)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(MODEL)


def test_fp16_and_fp32_give_the_bundles_labels(bundle: Bundle, tmp_path: Path) -> None:
    found = {backend: compiled(bundle, backend, tmp_path / backend) for backend in ("torch", "torch-fp32")}
    assert found["torch"].manifest.note.startswith("16-bit floats")
    assert found["torch"].manifest.selftest_agreement >= SELFTEST_AGREEMENT["fp16"]
    assert found["torch-fp32"].manifest.selftest_agreement >= 0.9999, "32 bits without TF32"
    assert "compute capability" in found["torch"].manifest.device


def test_a_frame_is_one_launch_and_every_frame_is_its_own(bundle: Bundle, tmp_path: Path) -> None:
    engine = compiled(bundle, "torch", tmp_path / "out").load()
    assert engine.captured, "the CUDA graph"
    first, second = bundle.selftest().frames[:2]
    labels = engine.run(first)
    kept = labels.copy()
    assert not np.array_equal(engine.run(second), labels)
    np.testing.assert_array_equal(labels, kept)
    np.testing.assert_array_equal(engine.run(first), labels)
    engine.close()


@pytest.mark.parametrize("path", BUNDLES, ids=[path.stem for path in BUNDLES])
def test_int8_is_simulated_as_it_is_on_the_processor(path: Path, tmp_path: Path) -> None:
    assert compiled(Bundle.open(path), "torch", tmp_path / "out").manifest.selftest_agreement >= 0.99


def test_memory_is_given_back(bundle: Bundle, tmp_path: Path) -> None:
    form = compiled(bundle, "torch", tmp_path / "out")
    form.load().close()
    before = torch.cuda.memory_allocated()
    for _ in range(3):
        engine = form.load()
        engine.run(bundle.selftest().frames[0])
        engine.close()
    assert torch.cuda.memory_allocated() <= before
