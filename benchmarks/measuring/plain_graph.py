"""Compile a graph as it is, without any rewriting of ours: `python plain_graph.py BACKEND GRAPH OUT THREADS`.

Run in a process of its own, since a vendor's compiler may crash on a graph that it did not make.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def compile_onnxruntime(graph: Path, out: Path, threads: int) -> None:
    """Let ONNX Runtime optimise a graph for this processor and write the result."""
    import onnxruntime

    from etc_edge.backends.onnxruntime.engine import session_options

    settings = session_options(threads)
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.optimized_model_filepath = str(out)
    onnxruntime.InferenceSession(str(graph), settings, providers=["CPUExecutionProvider"])


def compile_openvino(graph: Path, out: Path, threads: int) -> None:
    """Let OpenVINO compile a graph for this processor and write the result."""
    from etc_edge.backends.openvino.engine import properties
    from etc_edge.backends.openvino.vendor import shared_core

    core = shared_core()
    blob = core.compile_model(core.read_model(str(graph)), "CPU", properties(threads)).export_model()
    out.write_bytes(blob.getvalue() if hasattr(blob, "getvalue") else blob)


COMPILE = {"onnxruntime": compile_onnxruntime, "openvino": compile_openvino}


def main() -> None:
    """Do what the command line says, and leave without the vendors' teardown, which may crash too."""
    backend, graph, out, threads = sys.argv[1:]
    COMPILE[backend](Path(graph), Path(out), int(threads))
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
