"""The backends there are. A new one is a row here, a `compiler.py` and an `engine.py`."""

from __future__ import annotations

from etc_edge.backends.base import Compiler
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.table import Table

BACKENDS: Table[type[Compiler]] = Table(
    "backend",
    {
        "onnxruntime": "etc_edge.backends.onnxruntime.compiler:OnnxRuntimeCompiler",
        "openvino": "etc_edge.backends.openvino.compiler:OpenVinoCompiler",
        "tensorrt": "etc_edge.backends.tensorrt.compiler:TensorRtCompiler",
        "torch": "etc_edge.backends.torch.compiler:TorchCompiler",
        "torch-fp32": "etc_edge.backends.torch.compiler:TorchFp32Compiler",
        "torch_tensorrt": "etc_edge.backends.torch_tensorrt.compiler:TorchTensorRtCompiler",
    },
)

# Those that `--target cpu` chooses from; the first is taken when timing them fails.
CPU_BACKENDS = ("onnxruntime", "openvino")


# Those whose engines are code that runs when they are loaded: only what was made here is.
EXECUTABLE = ("tensorrt", "torch_tensorrt")


def load_compiler(name: str) -> Compiler:
    """The compiler of a backend.

    Args:
        name: a row of the table, or `module:Class` of a backend that lives elsewhere.

    Raises:
        EtcEdgeError: no such backend.
    """
    if ":" not in name:
        return BACKENDS.load(name)()
    try:
        elsewhere: Table[type[Compiler]] = Table("backend", {name: name})
        return elsewhere.load(name)()
    except (ImportError, AttributeError) as error:
        raise EtcEdgeError(f"Found no backend {name!r}: {error}.", "Expected module:Class.") from error
