"""An INT8 bundle on the simulated TensorRT: INT8 by the graph's types, or by flags where a version has no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import Engine
from etc_edge.backends.table import load_compiler
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from tests.simulated_nvidia.site import JETPACK_5, JETPACK_6_2, NEWEST, simulated
from tests.street_models import float_bundle, int8_bundle
from tests.unit.backends.conftest import ONE_THREAD


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small network in INT8."""
    return int8_bundle(float_bundle(tmp_path_factory.mktemp("small")))


@pytest.mark.parametrize("version", [JETPACK_5, JETPACK_6_2, NEWEST])
def test_convolutions_are_int8_and_labels_the_bundles(
    version: str, quantized: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated(tmp_path / "site", version):
        compiler = load_compiler("tensorrt")
        built = compiler.compile(quantized, tmp_path, ONE_THREAD)
        assert built is not None
        assert built.precision == "int8"
        engine: Engine = compiler.load(tmp_path, ONE_THREAD)
        selftest = quantized.selftest()
        found = np.stack([engine.run(frame) for frame in selftest.frames])
        assert np.mean(found == selftest.labels) > 0.97
        kinds = {layer.precision for layer in engine.layers() if layer.weighted}  # type: ignore[attr-defined]
        assert "int8" in kinds
        engine.close()
        assert compiler.compile(quantized, tmp_path, replace(ONE_THREAD, precision="fp16")).precision == "fp16"  # type: ignore[union-attr]
        monkeypatch.setenv("SIMULATED_NVIDIA_FAULT", "precision")
        with pytest.raises(CompileError, match="Found 0 of .* layers with weights in int8"):
            compiler.compile(quantized, tmp_path, ONE_THREAD)
