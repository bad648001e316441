"""Torch-TensorRT on a real GPU: labels of the bundle, INT8 where it has it, saved and loaded again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import compile_into
from etc_edge.backends.compiled import SELFTEST_AGREEMENT
from etc_edge.core.bundle import Bundle
from etc_edge.stages.demo import MODEL
from tests.gpu.nvidia import lacking
from tests.gpu.shipped_network import quantized

LACKING = lacking("torch", "torch_tensorrt", "tensorrt", "onnx")
MODELOPT = lacking("torch", "modelopt.torch.quantization") if LACKING is None else LACKING

pytestmark = pytest.mark.skipif(LACKING is not None, reason=f"Torch-TensorRT cannot run: {LACKING}")

Record = Callable[[str, object], None]


def expect_labels(bundle: Bundle, folder: Path, precision: str, record: Record) -> None:
    """Compile, load what was saved, and compare labels with those that the bundle states."""
    form = compile_into(folder / "engine", bundle, "torch_tensorrt", EngineOptions(threads=1))
    record("agreement with the bundle", f"{form.manifest.selftest_agreement:.4%}")
    record("note", form.manifest.note)
    selftest = bundle.selftest()
    with closing(form.load()) as engine:
        found = np.stack([engine.run(frame) for frame in selftest.frames])
    assert np.mean(found == selftest.labels) >= SELFTEST_AGREEMENT[precision]


def test_fp16(tmp_path: Path, record_property: Record) -> None:
    expect_labels(Bundle.open(MODEL), tmp_path, "fp16", record_property)


@pytest.mark.skipif(MODELOPT is not None, reason=f"INT8 in Torch-TensorRT cannot run: {MODELOPT}")
def test_int8(tmp_path: Path, record_property: Record) -> None:
    expect_labels(quantized(tmp_path), tmp_path, "int8", record_property)
