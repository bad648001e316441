"""From a bundle to a model that OpenVINO has compiled for this processor."""

from __future__ import annotations

from pathlib import Path

from etc_edge.backends.base import Engine, EngineOptions
from etc_edge.backends.device import cpu_device, lowering_here, package_version
from etc_edge.backends.headless import load_headless
from etc_edge.backends.labels_head import HeadPlan
from etc_edge.backends.openvino.vendor import shared_core
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.optional import require

BLOB = "compiled.blob"


class OpenVinoCompiler:
    """Compiles once and exports the result, so that loading skips reading ONNX and transforming the graph."""

    def version(self) -> str:
        """See Compiler."""
        return package_version(("openvino",), "openvino", "the OpenVINO engine")

    def device(self) -> str:
        """See Compiler."""
        return cpu_device()

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> None:
        """See Compiler."""
        require("onnx", "graph", "compiling for OpenVINO")
        core = shared_core()
        from etc_edge.backends.openvino.engine import properties
        from etc_edge.graph.load import to_bytes
        from etc_edge.graph.lower import lower

        model = to_bytes(lower(load_headless(bundle, folder), lowering_here("openvino")))
        try:
            graph = core.read_model(model, b"")
            compiled = core.compile_model(graph, "CPU", properties(options.threads))
            blob = compiled.export_model()
        except Exception as error:
            raise CompileError(f"OpenVINO {self.version()} refused {bundle.name}: {error}") from error
        (folder / BLOB).write_bytes(blob.getvalue() if hasattr(blob, "getvalue") else blob)

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        from etc_edge.backends.openvino.engine import OpenVinoEngine

        return OpenVinoEngine(folder / BLOB, options.threads, HeadPlan.read(folder))
