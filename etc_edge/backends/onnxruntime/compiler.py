"""From a bundle to a graph that ONNX Runtime has optimised for this processor."""

from __future__ import annotations

from pathlib import Path

from etc_edge.backends.base import Engine, EngineOptions
from etc_edge.backends.device import cpu_device, lowering_here, package_version
from etc_edge.backends.headless import load_headless
from etc_edge.backends.labels_head import HeadPlan
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.optional import require

OPTIMIZED = "optimized.onnx"


class OnnxRuntimeCompiler:
    """Optimises once and writes the result, with fused and re-laid-out operators, so that loading need not."""

    def version(self) -> str:
        """See Compiler."""
        return package_version(("onnxruntime", "onnxruntime-gpu"), "onnxruntime", "the ONNX Runtime engine")

    def device(self) -> str:
        """See Compiler."""
        return cpu_device()

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        require("onnx", "graph", "compiling for ONNX Runtime")
        onnxruntime = require("onnxruntime", "onnxruntime", "compiling for ONNX Runtime")
        from etc_edge.backends.onnxruntime.engine import session_options
        from etc_edge.graph.load import to_bytes
        from etc_edge.graph.lower import lower

        model = to_bytes(lower(load_headless(bundle, folder), lowering_here("onnxruntime")))
        settings = session_options(options.threads)
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        settings.optimized_model_filepath = str(folder / OPTIMIZED)
        try:
            onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CompileError(f"ONNX Runtime {self.version()} refused {bundle.name}: {error}") from error

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        require("onnxruntime", "onnxruntime", "the ONNX Runtime engine")
        from etc_edge.backends.onnxruntime.engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(folder / OPTIMIZED, options.threads, HeadPlan.read(folder))
