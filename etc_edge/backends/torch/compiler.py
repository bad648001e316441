"""From a bundle to a program of `torch.export` in the precision that suits this device."""

from __future__ import annotations

from pathlib import Path

from etc_edge.backends.base import Build, Engine, EngineOptions
from etc_edge.backends.device import package_version
from etc_edge.backends.gpu import torch_device, uses_gpu
from etc_edge.backends.headless import load_headless
from etc_edge.backends.labels_head import HeadPlan
from etc_edge.core.bundle import Bundle
from etc_edge.core.optional import require

PROGRAM = "program.pt2"

PURPOSE = "the torch engine"

SIMULATED = "INT8 simulated in 32-bit floats: labels as INT8 gives them, no faster than FP32"


class TorchCompiler:
    """FP32 bundles in FP16 on a GPU and in FP32 on the CPU; INT8 bundles simulated in FP32 on both.

    torch has no INT8 convolutions for GPUs. In FP32 the codes of an INT8 network come out as an INT8 engine has them,
    so that its labels can be had where no such engine is; in FP16 they would not.
    """

    halves = True

    def version(self) -> str:
        """See Compiler."""
        return package_version(("torch",), "torch", PURPOSE)

    def device(self) -> str:
        """See Compiler."""
        return torch_device(PURPOSE)

    def compile(self, bundle: Bundle, folder: Path, options: EngineOptions) -> Build:
        """See Compiler."""
        require("onnx", "graph", "compiling for torch")
        torch = require("torch", "torch", "compiling for torch")
        from etc_edge.graph.load import load_model
        from etc_edge.torch_graph.deployed import Deployed, beyond_half
        from etc_edge.torch_graph.graph import TorchGraph
        from etc_edge.torch_graph.program import export_program, save_program

        on_gpu = uses_gpu(PURPOSE)
        device = torch.device("cuda" if on_gpu else "cpu")
        # On a GPU the labels head runs with the rest; on the CPU ours is faster than torch's.
        model = load_model(bundle.model_path) if on_gpu else load_headless(bundle, folder)
        output = model.graph.output[0].name
        graph = TorchGraph(model, result=output).to(device)
        frames = [torch.from_numpy(frame[None]).to(device) for frame in bundle.selftest().frames]
        in_half = self.halves and on_gpu and not graph.quantized
        wide = beyond_half(graph, output, frames) if in_half else set()
        dtype = torch.float16 if in_half else torch.float32
        deployed = Deployed(graph, output, dtype=dtype, wide=wide).to(device)
        save_program(export_program(deployed, frames[0]), folder / PROGRAM)
        if graph.quantized:
            return Build("int8", SIMULATED)
        return Build("fp16", half_note(len(wide))) if in_half else Build("fp32", "32-bit floats")

    def load(self, folder: Path, options: EngineOptions) -> Engine:
        """See Compiler."""
        require("torch", "torch", PURPOSE)
        from etc_edge.backends.torch.engine import load_engine

        return load_engine(folder / PROGRAM, options.threads, uses_gpu(PURPOSE), HeadPlan.read(folder))


class TorchFp32Compiler(TorchCompiler):
    """FP32 everywhere: the reference on a GPU."""

    halves = False


def half_note(wide: int) -> str:
    """What is in 16-bit floats, for the user."""
    return "16-bit floats" + (f", {wide} steps that would overflow in 32 bits" if wide else "")
