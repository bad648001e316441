"""From a bundle to a TensorRT engine for this GPU or this board's accelerator."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import msgspec

from etc_edge.backends.base import Build, EngineOptions
from etc_edge.backends.device import package_version
from etc_edge.backends.reports import current
from etc_edge.backends.tensorrt.layers import Layer, expect_precision
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, DependencyError
from etc_edge.core.optional import require

if TYPE_CHECKING:
    from etc_edge.backends.tensorrt.engine import TensorRtEngine
    from etc_edge.backends.tensorrt.gpu_facts import GpuFacts
    from etc_edge.graph.tensorrt import TensorRtPrecision

PLAN = "engine.plan"
LAYERS = "layers.json"

EXTRA = "tensorrt"
PURPOSE = "TensorRT"
DISTRIBUTIONS = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")

_SHOWN = 6
_Precision = Literal["int8", "fp8", "fp16", "fp32"]
# What the labels of a build are compared with: FP8 rounds about as INT8 does.
_HELD_TO: dict[str, Literal["fp32", "fp16", "int8"]] = {"int8": "int8", "fp8": "int8", "fp16": "fp16", "fp32": "fp32"}


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
        return _gpu().in_words()

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> Build:
        """See Compiler."""
        require("onnx", "graph", "compiling for TensorRT")
        gpu = _gpu()
        require("tensorrt", EXTRA, PURPOSE)
        from etc_edge.backends.tensorrt.build import build
        from etc_edge.backends.tensorrt.calls import takes_types_from_the_graph
        from etc_edge.backends.tensorrt.source import lowered_source

        precision = _precision(options.precision or usual_precision(bundle, options))
        source = lowered_source(bundle, precision, takes_types_from_the_graph())
        built = build(source, options, gpu, current())
        (folder / PLAN).write_bytes(built.plan)
        layers = _look_into(self.load(folder, options))
        notes = [expect_precision(layers, precision, bundle.name)]
        (folder / LAYERS).write_bytes(msgspec.json.encode(layers))
        if source.float32_nodes:
            notes.append(f"{len(source.float32_nodes)} operators in FP32, because FP16 overflows")
        if options.dla_core is not None:
            notes.append(_fallback(built.on_gpu))
        return Build(_HELD_TO[precision], "; ".join(notes))

    def load(self, folder: Path, options: EngineOptions) -> TensorRtEngine:
        """See Compiler."""
        require("tensorrt", EXTRA, PURPOSE)
        require("pycuda.driver", EXTRA, "running on a GPU")
        from etc_edge.backends.tensorrt.engine import TensorRtEngine

        return TensorRtEngine(folder / PLAN, options.threads, dla_core=options.dla_core)


def usual_precision(bundle: Bundle, options: EngineOptions) -> str:
    """What is taken if nothing is said: INT8 of an INT8 bundle on a GPU; FP16 of others and on an accelerator."""
    return "int8" if bundle.precision == "int8" and options.dla_core is None else "fp16"


def _gpu() -> GpuFacts:
    require("pycuda.driver", EXTRA, "running on a GPU")
    from etc_edge.backends.tensorrt.cuda import find_gpu

    return find_gpu()


def _precision(wanted: str) -> TensorRtPrecision:
    for known in get_args(_Precision):
        if known == wanted:
            return cast("TensorRtPrecision", wanted)
    raise CompileError(f"Found precision {wanted!r}, expected one of {', '.join(get_args(_Precision))}.")


def _look_into(engine: TensorRtEngine) -> tuple[Layer, ...]:
    try:
        return engine.layers()
    finally:
        engine.close()


def _fallback(on_gpu: tuple[str, ...]) -> str:
    if not on_gpu:
        return "the accelerator runs every layer"
    shown = ", ".join(on_gpu[:_SHOWN]) + (f" and {len(on_gpu) - _SHOWN} more" if len(on_gpu) > _SHOWN else "")
    return f"{len(on_gpu)} layers fell back to the GPU: {shown}"
