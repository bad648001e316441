"""The package's files and modules, as the architecture tests walk them."""

from __future__ import annotations

import ast
import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "etc_edge"

# The only rooms that may import torch at the top of a file.
TORCH_ROOMS = (
    "etc_edge.models",
    "etc_edge.losses",
    "etc_edge.training",
    "etc_edge.flow.raft.network",
    "etc_edge.flow.raft.checkpoint",
    "etc_edge.torch_graph",
    "etc_edge.backends.torch_execution",
    "etc_edge.backends.torch.engine",
    "etc_edge.backends.torch_tensorrt.engine",
    "etc_edge.backends.torch_tensorrt.program",
)
# Parts of TensorRT's engine and compiler, which load them in functions when the packages are there.
TENSORRT_ROOMS = tuple(
    f"etc_edge.backends.tensorrt.{name}"
    for name in (
        "build",
        "calls",
        "cuda",
        "lane",
        "layer_times",
        "logger",
        "parsing",
        "progress_monitor",
        "tensors",
        "timing_cache",
    )
)
TORCH_PACKAGES = ("torch", "torchvision", "torch_tensorrt", "torchmetrics", "safetensors", "tensorboard", "onnxscript")
VENDOR_PACKAGES = ("onnxruntime", "openvino", "nncf", "tensorrt", "pycuda")
GRAPH_PACKAGES = ("onnx", "onnxsim")
TEST_PACKAGES = ("sklearn", "scipy", "psutil", "hypothesis", "pytest")


def source_files() -> list[Path]:
    """Every Python file of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def module_name(file: Path) -> str:
    """Dotted name of a file of the package."""
    parts = list(file.relative_to(REPOSITORY).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def in_rooms(module: str, rooms: tuple[str, ...]) -> bool:
    """Whether a module is one of `rooms` or lies in one of them."""
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def is_engine(module: str) -> bool:
    """Whether a module is a backend's `engine.py` or a part of one, about a vendor's package from the first line."""
    engine = module.startswith("etc_edge.backends.") and module.endswith(".engine")
    return engine or module in TENSORRT_ROOMS


def top_level_imports(file: Path) -> set[str]:
    """Names of the packages that a file imports when it is imported: not in functions, not for typing only."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        pending.extend(ast.iter_child_nodes(node))
    return found


def tracked_files() -> list[Path]:
    """Files that git tracks, or every file of the main folders where this is no checkout."""
    if shutil.which("git") is not None:
        command = ["git", "ls-files", "-z"]
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
        if listed:
            return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]
    folders = ("etc_edge", "tests", "docs", "recipes", "calibration", "benchmarks")
    found = (path for folder in folders for path in (REPOSITORY / folder).rglob("*"))
    return [path for path in found if path.is_file() and path.suffix != ".pyc"]
