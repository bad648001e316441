"""From a bundle to a TensorRT engine through `torch.export` and `torch_tensorrt.dynamo.compile`."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etc_edge.backends.base import Build, Engine, EngineOptions
from etc_edge.backends.device import package_version
from etc_edge.backends.gpu import gpu_device
from etc_edge.backends.torch_tensorrt.layers import Layers
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.optional import require

PROGRAM = "program.ep"
LAYERS = "engine_layer_info.json"

PURPOSE = "Torch-TensorRT"
EXTRA = "torch-tensorrt"

TENSORRT = ("tensorrt", "tensorrt-cu13", "tensorrt-cu12")


class TorchTensorRtCompiler:
    """The whole network as one TensorRT engine, in FP16 with INT8 where the bundle has it."""

    def version(self) -> str:
        """See Compiler."""
        version = package_version(("torch-tensorrt", "torch_tensorrt"), EXTRA, PURPOSE)
        torch, tensorrt = package_version(("torch",), EXTRA, PURPOSE), package_version(TENSORRT, EXTRA, PURPOSE)
        return f"{version} (torch {torch}, TensorRT {tensorrt})"

    def device(self) -> str:
        """See Compiler."""
        return gpu_device(PURPOSE)

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> Build:
        """See Compiler."""
        self.device()
        require("onnx", "graph", "compiling for Torch-TensorRT")
        torch = require("torch", EXTRA, PURPOSE)
        if bundle.precision == "int8":
            # Before torch_tensorrt, whose converters for INT8 are there only if this is.
            require("modelopt.torch.quantization", EXTRA, "INT8 in Torch-TensorRT")
        torch_tensorrt = require("torch_tensorrt", EXTRA, PURPOSE)
        from etc_edge.backends.torch_tensorrt.program import make_body
        from etc_edge.graph.load import load_model
        from etc_edge.torch_graph.program import export_program

        frames = [torch.from_numpy(frame[None]).cuda() for frame in bundle.selftest().frames]
        body = make_body(load_model(bundle.model_path), frames)
        example = frames[0].permute(0, 3, 1, 2).to(torch.float16, memory_format=torch.contiguous_format)
        program = export_program(body.module, example)
        build = torch_tensorrt.dynamo.compile
        with tempfile.TemporaryDirectory(prefix="etc-edge-") as scratch:
            try:
                with torch_tensorrt.dynamo.Debugger(
                    log_level="error", save_layer_info=True, engine_builder_monitor=False, logging_dir=scratch
                ):
                    compiled = build(program, arg_inputs=[example], **settings(build))
                torch_tensorrt.save(compiled, str(folder / PROGRAM), arg_inputs=[example])
            except Exception as error:
                line = " ".join(str(error).split())[:300]
                raise CompileError(f"Torch-TensorRT {self.version()} refused {bundle.name}: {line}") from error
            layers = Layers.read(Path(scratch) / LAYERS)
        layers.expect_int8(bundle.name, body.quantized)
        return Build("int8" if body.quantized else "fp16", layers.note(len(body.left), body.wide))

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        self.device()
        require("torch_tensorrt", EXTRA, PURPOSE)
        from etc_edge.backends.torch_tensorrt.engine import load_engine

        return load_engine(folder / PROGRAM, options.threads)


def settings(build: Callable[..., Any]) -> dict[str, Any]:
    """Settings for `torch_tensorrt.dynamo.compile` of any version: types are those of the program.

    Args:
        build: that function; older ones have to be told that the program's types hold, newer ones know no other way.
    """
    known = inspect.signature(build).parameters
    chosen: dict[str, Any] = {"require_full_compilation": True, "min_block_size": 1}
    return chosen | ({"use_explicit_typing": True} if "use_explicit_typing" in known else {})
