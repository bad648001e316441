"""NVIDIA's own Python bindings of TensorRT, without TensorRT: downloaded, importable, and with stubs for mypy.

The wheels hold the extension module alone. It needs a handful of C functions from libraries that NVIDIA distributes
elsewhere; a library of ours under each of their names gives null from every one of them. So the module imports on any
machine, with every class, enum member, signature and docstring NVIDIA's, and making a Builder fails as it must.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STORE = REPOSITORY / ".venv-bindings"

# Version, and the distribution that brings it; JetPack's are 8.6.2, 10.3.0, 10.13 and 10.16, with these interfaces.
WHEELS = {
    "8.6.1": "tensorrt-bindings",
    "10.0.1": "tensorrt-cu12-bindings",
    "10.3.0": "tensorrt-cu12-bindings",
    "10.13.3.9.post1": "tensorrt-cu12-bindings",
    "10.16.1.11": "tensorrt-cu12-bindings",
    "11.4.0.106": "tensorrt-cu13-bindings",
}
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser", "libnvparsers")
# The nine that all versions ask for, and four of the parsers that 8 still has, under their C++ names.
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "getBuilderPluginRegistry",
    "getPluginRegistry",
    "getNvOnnxParserVersion",
    "initLibNvInferPlugins",
    "_ZN11nvuffparser15createUffParserEv",
    "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)
DOWNLOAD_S = 60


@cache
def bindings(version: str) -> Path:
    """A folder for PYTHONPATH in which `tensorrt` is NVIDIA's bindings of a version.

    Skips the test where the wheel cannot be had: no registry, no wheel for this Python, no C compiler.
    """
    folder = STORE / version / "site"
    if not (folder / "tensorrt" / "__init__.py").is_file():
        wheel = _wheel(version)
        unfinished = folder.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        with ZipFile(wheel) as archive:
            archive.extractall(unfinished)
        # The package `tensorrt` on top of it only loads NVIDIA's libraries and takes over all of its names.
        (unfinished / "tensorrt_bindings").rename(unfinished / "tensorrt")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return folder


@cache
def libraries(version: str) -> Path:
    """A folder for LD_LIBRARY_PATH with the libraries that a version's module asks for, which do nothing."""
    major = version.split(".")[0]
    folder = STORE / f"libraries-{major}"
    names = [folder / f"{library}.so.{major}" for library in LIBRARIES]
    if all(name.is_file() for name in names):
        return folder
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("found no C compiler, which importing TensorRT's bindings without TensorRT needs")
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "null.c"
    source.write_text("".join(f"void *{function}(void) {{ return 0; }}\n" for function in FUNCTIONS))
    for name in names:
        command = [compiler, "-shared", "-fPIC", f"-Wl,-soname,{name.name}", "-o", str(name), str(source)]
        subprocess.run(command, check=True)
    return folder


@cache
def stubs(version: str) -> Path:
    """A folder for MYPYPATH with stubs of a version, made from its module's own signatures."""
    folder = STORE / version / "stubs"
    if not (folder / "tensorrt" / "tensorrt.pyi").is_file():
        pytest.importorskip("pybind11_stubgen", reason="found no pybind11-stubgen, which the extra `test` brings")
        unfinished = folder.with_name("unfinished-stubs")
        shutil.rmtree(unfinished, ignore_errors=True)
        make = [sys.executable, "-m", "pybind11_stubgen", "--ignore-all-errors", "-o", str(unfinished), "tensorrt"]
        done = subprocess.run(make, env=environment(version), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        for file in unfinished.rglob("*.pyi"):
            file.write_text(_parsable(file.read_text(encoding="utf-8")), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    return folder


def environment(version: str) -> dict[str, str]:
    """Variables for a process in which `import tensorrt` gives NVIDIA's bindings of a version."""
    path = os.pathsep.join([str(bindings(version)), str(REPOSITORY), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, "LD_LIBRARY_PATH": str(libraries(version))}


def run_with(version: str, script: str, *arguments: str) -> str:
    """What a Python script prints in a process with the bindings of a version."""
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    done = subprocess.run(command, env=environment(version), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _wheel(version: str) -> Path:
    folder = STORE / "wheels"
    pattern = f"{WHEELS[version].replace('-', '_')}-{version}-*.whl"
    if found := sorted(folder.glob(pattern)):
        return found[0]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--retries", "1", "--dest", str(folder)]
    command += [f"{WHEELS[version]}=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DOWNLOAD_S)
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    except subprocess.TimeoutExpired:
        reason = f"no answer within {DOWNLOAD_S} s"
    if not (found := sorted(folder.glob(pattern))):
        pytest.skip(f"found no wheel {WHEELS[version]} {version} for this Python: {reason}")
    return found[0]


def _parsable(text: str) -> str:
    """A stub that Python can parse: signatures with a keyword for a name, or a default in the wrong place, go open."""
    lines = []
    for line in text.splitlines():
        if re.match(r"\s*def \w+\(.*\)( -> .*)?:\s*$", line):
            try:
                ast.parse(line.strip() + " ...")
            except SyntaxError:
                line = re.sub(r"\(.*\)( -> |:\s*$)", r"(self, *args: typing.Any, **kwargs: typing.Any)\1", line)
        # A data type of TensorRT's is called `bool` as well.
        lines.append(re.sub(r"(-> |: |\[|, )bool\b(?!\w*:)", r"\1builtins.bool", line))
    # Behind the line that has to be the first.
    return "\n".join([lines[0], "import builtins", *lines[1:]]) + "\n"
