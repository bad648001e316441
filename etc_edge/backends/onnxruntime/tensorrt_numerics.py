"""What TensorRT will compute, run by ONNX Runtime: for measuring a model before its device is at hand.

These are no targets to deploy to: they take as long as they take.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from etc_edge.backends.base import Engine, EngineOptions
from etc_edge.backends.device import cpu_device, package_version
from etc_edge.backends.onnxruntime.compiler import OPTIMIZED
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.graph.tensorrt import TensorRtPrecision

_HERE = "etc_edge.backends.onnxruntime.tensorrt_numerics"

NUMERICS: dict[TensorRtPrecision, str] = {
    "int8": f"{_HERE}:Int8Numerics",
    "fp8": f"{_HERE}:Float8Numerics",
    "fp16": f"{_HERE}:HalfNumerics",
    "fp32": f"{_HERE}:FloatNumerics",
}
"""What to give as `target` for each precision of a TensorRT build."""


class Int8Numerics:
    """The INT8 build: exact codes, FP16 elsewhere."""

    precision: ClassVar[TensorRtPrecision] = "int8"

    def version(self) -> str:
        """See Compiler."""
        return package_version(("onnxruntime", "onnxruntime-gpu"), "onnxruntime", "simulating TensorRT's numbers")

    def device(self) -> str:
        """See Compiler."""
        return cpu_device()

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        require("onnx", "graph", "simulating TensorRT's numbers")
        onnxruntime = require("onnxruntime", "onnxruntime", "simulating TensorRT's numbers")
        from etc_edge.backends.onnxruntime.engine import session_options
        from etc_edge.graph.load import load_model, to_bytes
        from etc_edge.graph.tensorrt import lower_for_tensorrt
        from etc_edge.graph.tensorrt_numerics import in_float32

        lowered = lower_for_tensorrt(load_model(bundle.model_path), self.precision)
        settings = session_options(options.threads)
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.add_session_config_entry("session.disable_quant_qdq", "1")
        settings.optimized_model_filepath = str(folder / OPTIMIZED)
        try:
            onnxruntime.InferenceSession(
                to_bytes(in_float32(lowered.model)), settings, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise CompileError(f"ONNX Runtime {self.version()} refused {bundle.name}: {error}") from error

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        require("onnxruntime", "onnxruntime", "simulating TensorRT's numbers")
        from etc_edge.backends.onnxruntime.engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(folder / OPTIMIZED, options.threads)


class Float8Numerics(Int8Numerics):
    """The FP8 build: E4M3 codes, FP16 elsewhere."""

    precision = "fp8"


class HalfNumerics(Int8Numerics):
    """The FP16 build."""

    precision = "fp16"


class FloatNumerics(Int8Numerics):
    """The FP32 build."""

    precision = "fp32"
