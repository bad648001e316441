"""From a bundle to a TensorRT engine for this GPU or this board's accelerator."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import msgspec

from etc_edge.backends.base import Build, Engine, EngineOptions
from etc_edge.backends.device import package_version
from etc_edge.backends.reports import current
from etc_edge.backends.tensorrt.layers import expect_precision, read_layers
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, DependencyError
from etc_edge.core.optional import require

PLAN = "engine.plan"
LAYERS = "layers.json"

EXTRA = "tensorrt"
PURPOSE = "TensorRT"
DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")


class TensorRtCompiler:
    """Builds an engine whose layers have the precision that was asked for, and says which have not."""

    def version(self) -> str:
        """See Compiler."""
        try:
            return package_version(DISTRIBUTIONS, EXTRA, PURPOSE)
        except DependencyError:
            if find_spec("tensorrt") is None:
                raise
            return str(require("tensorrt", EXTRA, PURPOSE).__version__)  # a board's package without metadata

    def device(self) -> str:
        """See Compiler."""
        require("pycuda.driver", EXTRA, "running on a GPU")
        from etc_edge.backends.tensorrt.cuda import find_gpu

        return find_gpu().in_words()

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> Build:
        """See Compiler."""
        require("onnx", "graph", "compiling for TensorRT")
        device = self.device()
        require("tensorrt", EXTRA, PURPOSE)
        from etc_edge.backends.tensorrt.build import build
        from etc_edge.backends.tensorrt.source import lowered_source

        precision = options.precision or ("int8" if bundle.precision == "int8" else "fp16")
        lowered = lowered_source(bundle, precision)
        built = build(lowered, options, device, bundle.name, current())
        (folder / PLAN).write_bytes(built.plan)
        engine = self.load(folder, options)
        try:
            layers = read_layers(engine.inspection())
        finally:
            engine.close()
        note = expect_precision(layers, precision, bundle.name)
        (folder / LAYERS).write_bytes(msgspec.json.encode(layers))
        if options.dla_core is not None:
            note += f"; {built.fallback_note()}"
        held = "fp16" if precision == "fp16" else "int8" if precision in ("int8", "fp8") else "fp32"
        return Build(held, note)

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        require("tensorrt", EXTRA, PURPOSE)
        require("pycuda.driver", EXTRA, "running on a GPU")
        from etc_edge.backends.tensorrt.engine import TensorRtEngine

        return TensorRtEngine(folder / PLAN, options.threads, dla_core=options.dla_core)
