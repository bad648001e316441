"""The TensorRT backend held to NVIDIA's own bindings, version by version: types, names, and what probing finds."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tensorrt_api.bindings import REPOSITORY, STORE, WHEELS, run_with, stubs

BACKEND = REPOSITORY / "etc_edge" / "backends" / "tensorrt"

versions = pytest.mark.parametrize("version", WHEELS)


def complaints(version: str, source: Path = REPOSITORY) -> list[str]:
    """What mypy says of the backend against the stubs of a version."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--python-version", "3.10"]
    command += ["--ignore-missing-imports", "--follow-imports=silent", "--no-warn-unused-ignores"]
    command += ["--cache-dir", str(STORE / "mypy"), "-p", "etc_edge.backends.tensorrt"]
    path = f"{stubs(version)}:{source}"
    done = subprocess.run(
        command, env={"MYPYPATH": path, "PATH": ""}, capture_output=True, text=True, check=False, cwd=STORE
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    # The stubs are made by a program and have errors of their own.
    return [line for line in done.stdout.splitlines() if ": error:" in line and "etc_edge/backends/tensorrt/" in line]


@versions
def test_the_backend_type_checks_against_every_version(version: str) -> None:
    assert complaints(version) == []


def test_what_no_version_has_is_caught(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "etc_edge", tmp_path / "etc_edge", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "etc_edge" / "backends" / "tensorrt" / "made_up.py").write_text(
        "import tensorrt as trt\n"
        "def member() -> object:\n    return trt.BuilderFlag.INT9\n"
        "def method(builder: trt.Builder) -> object:\n    return builder.build_at_once()\n"
        "def argument(engine: trt.ICudaEngine) -> object:\n    return engine.get_tensor_name(0, 1, 2)\n"
    )
    found = complaints("10.13.3.9.post1", tmp_path)
    assert [line.partition("error: ")[2].partition("  [")[0] for line in found] == [
        '"type[BuilderFlag]" has no attribute "INT9"',
        '"Builder" has no attribute "build_at_once"',
        'Too many arguments for "get_tensor_name" of "ICudaEngine"',
    ]


def reached(file: Path) -> tuple[set[str], set[str]]:
    """Dotted names of `tensorrt` that a file reaches, and those that it asks for with `hasattr`."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    aliases: dict[str, str] = {"trt": ""}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and (name := dotted(node.value)):
            aliases[node.targets[0].id] = name
    names = {name for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (name := dotted(node, aliases))}
    asked = {
        ".".join(filter(None, [dotted(call.args[0], aliases), str(ast.literal_eval(call.args[1]))]))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "hasattr"
        if isinstance(call.args[1], ast.Constant)
    }
    return names, asked


def dotted(node: ast.AST, aliases: dict[str, str] | None = None) -> str:
    """`BuilderFlag.INT8` of the expression `trt.BuilderFlag.INT8`; "" of any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    known = aliases or {"trt": ""}
    if not isinstance(node, ast.Name) or node.id not in known:
        return ""
    return ".".join(filter(None, [known[node.id], *parts]))


_MISSING = """
import json, sys
import tensorrt

def is_there(name):
    found = tensorrt
    for part in name.split("."):
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True

print(json.dumps([name for name in json.loads(sys.argv[1]) if not is_there(name)]))
"""


@versions
def test_every_name_that_is_reached_unasked_is_in_every_version(version: str) -> None:
    unasked: set[str] = set()
    for file in sorted(BACKEND.glob("*.py")):
        names, asked = reached(file)
        unasked |= {name for name in names if not any(name == one or name.startswith(f"{one}.") for one in asked)}
    assert len(unasked) > 25
    assert json.loads(run_with(version, _MISSING, json.dumps(sorted(unasked)))) == []
    assert json.loads(run_with(version, _MISSING, '["BuilderFlag.INT9"]')) == ["BuilderFlag.INT9"]


# What probing must find in each version: written by hand from NVIDIA's release notes and the support matrix.
FOUND = {
    "8.6.1": {"typed": False, "flags": 1, "progress": False, "level": True, "later": True},
    "10.0.1": {"typed": True, "flags": 2, "progress": True, "level": True, "later": True},
    "10.3.0": {"typed": True, "flags": 2, "progress": True, "level": True, "later": True},
    "10.13.3.9.post1": {"typed": True, "flags": 2, "progress": True, "level": True, "later": True},
    "10.16.1.11": {"typed": True, "flags": 2, "progress": True, "level": True, "later": True},
    "11.4.0.106": {"typed": True, "flags": 0, "progress": True, "level": True, "later": True},
}

_PROBE = """
import json
import tensorrt as trt
from etc_edge.backends.tensorrt import calls
from etc_edge.backends.tensorrt.layer_times import LayerTimes
from etc_edge.backends.tensorrt.logger import Log

log, times = Log(), LayerTimes()
times.report_layer_time("conv", 0.5)
times.report_layer_time("conv", 0.25)
log.log(trt.ILogger.Severity.ERROR, "first")
log.log(trt.ILogger.Severity.INFO, "nothing")
from etc_edge.core.errors import CompileError
from etc_edge.backends.tensorrt.build import _builder
try:
    _builder(log)
    refused = ""
except CompileError as error:
    refused = error.message
print(json.dumps({
    "typed": calls.takes_types_from_the_graph(),
    "flags": calls.network_flags(),
    "progress": hasattr(trt, "IProgressMonitor"),
    "level": hasattr(trt.IBuilderConfig, "builder_optimization_level"),
    "later": hasattr(trt.BuilderFlag, "VERSION_COMPATIBLE"),
    "extents": calls.extents(trt.Dims([1, 2, -1])),
    "times": times.total_ms,
    "errors": log.errors,
    "refused": refused,
    "version": trt.__version__,
}))
"""


@versions
def test_probing_finds_what_a_version_has_and_our_subclasses_work_in_it(version: str) -> None:
    found = json.loads(run_with(version, _PROBE))
    assert {name: found[name] for name in FOUND[version]} == FOUND[version]
    assert found["extents"] == [1, 2, -1]
    assert found["times"] == {"conv": 0.75}
    assert found["errors"] == ["first"]
    # NVIDIA's own Builder, whose library gives null here: as on a machine without a GPU.
    assert found["refused"].startswith(f"Found TensorRT {found['version']} unable to use the GPU")
