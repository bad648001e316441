"""pycuda holds what the backend reaches, and what the simulation has, by its own sources, which are read and not built.

pycuda is compiled against CUDA, which only a machine with an NVIDIA GPU has; its sources say what it gives to Python.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.package_files import PACKAGE, REPOSITORY
from tests.simulated_nvidia import driver as simulated

OLDEST, NEWEST = "2024.1", "2026.1"
DOWNLOAD_S = 120
STORE = REPOSITORY / ".venv-bindings" / "pycuda"
BACKEND = PACKAGE / "backends" / "tensorrt" / "cuda.py"
# Classes that Python gets from a function and does not make.
MADE_BY_FUNCTIONS = {"DeviceAllocation", "PagelockedHostAllocation", "Context"}

versions = pytest.mark.parametrize("version", [OLDEST, NEWEST])


@dataclass(frozen=True)
class Surface:
    """Names that pycuda's driver module gives to Python; of a function its arguments where the source names them."""

    members: dict[str, set[str]]
    functions: dict[str, tuple[str, ...]]
    exceptions: set[str]

    def has(self, dotted: str) -> bool:
        """Whether a name such as `Stream.synchronize` is there."""
        first, _, member = dotted.partition(".")
        if member:
            return member in self.members.get(first, set())
        return first in self.members or first in self.functions or first in self.exceptions


@cache
def download() -> dict[str, str]:
    """Have pip bring what is not there yet, all versions at once; what it says where it fails."""
    wanted = [version for version in (OLDEST, NEWEST) if not archive(version).is_file()]
    # pip asks the sources for their metadata; with what is installed here it need not fetch what builds them.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pycuda"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--retries", "1", "--dest", str(STORE)]
    running = {
        version: subprocess.Popen([*command, f"pycuda=={version}"], stderr=subprocess.PIPE, text=True)
        for version in wanted
    }
    said = {}
    for version, process in running.items():
        try:
            _, errors = process.communicate(timeout=DOWNLOAD_S)
            said[version] = (errors.strip().splitlines() or ["pip gave no reason"])[-1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            said[version] = f"no answer within {DOWNLOAD_S} s"
    return said


def archive(version: str) -> Path:
    """Where a version's sources are kept."""
    return STORE / f"pycuda-{version}.tar.gz"


@cache
def sources(version: str) -> tuple[str, str]:
    """The wrapper's source and the Python module around it; skips the test where they cannot be had."""
    said = download()
    if not archive(version).is_file():
        pytest.skip(f"pycuda {version}'s sources could not be downloaded: {said[version]}")
    with tarfile.open(archive(version)) as tar:
        names = (f"pycuda-{version}/src/wrapper/wrap_cudadrv.cpp", f"pycuda-{version}/pycuda/driver.py")
        files = [tar.extractfile(name) for name in names]
        wrapper, module = (file.read().decode() for file in files if file is not None)
    return wrapper, module


def surface(version: str) -> Surface:
    """What the wrapper's source declares to Boost.Python."""
    wrapper, _ = sources(version)
    members: dict[str, set[str]] = {}
    # Each declaration goes on to the next one.
    for block in re.split(r"py::(?=class_<|enum_<|def\()", wrapper):
        named = re.match(r"(?:class_|enum_)<.*?>\s*(?:\w+\s*)?\(\s*\"(\w+)\"", block, re.DOTALL)
        if named:
            found = re.findall(r"DEF_SIMPLE_METHOD\((\w+)\)|\.(?:def|add_property|value)\(\s*\"(\w+)\"", block)
            members.setdefault(named[1], set()).update(first or second for first, second in found)
    functions = dict.fromkeys(re.findall(r"DEF_SIMPLE_FUNCTION\((\w+)\)", wrapper), ())
    for name, rest in re.findall(r"py::def\(\"(\w+)\",(.*?)\);", wrapper, re.DOTALL):
        named_arguments = re.findall(r"py::args?\(((?:\"\w+\"(?:, *)?)+)\)", rest)
        functions[name] = tuple(re.findall(r"\w+", " ".join(named_arguments)))
    return Surface(members, functions, set(re.findall(r"DECLARE_EXC\((\w+), ", wrapper)))


def reached(source: str) -> set[str]:
    """Dotted names below `driver` in a Python source."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if parts and isinstance(node, ast.Name) and node.id == "driver":
            found.add(".".join(parts))
    return found


def simulated_names() -> dict[str, object]:
    """What the simulation offers under pycuda's names: functions, classes and their public members."""
    own = {name: one for name, one in vars(simulated).items() if getattr(one, "__module__", "") == simulated.__name__}
    names = {name: one for name, one in own.items() if not name.startswith("_")}
    for name, one in list(names.items()):
        if inspect.isclass(one) and not issubclass(one, Exception):
            names |= {f"{name}.{member}": value for member, value in vars(one).items() if not member.startswith("_")}
    return names


@versions
def test_every_name_that_the_backend_reaches_is_there(version: str) -> None:
    there = surface(version)
    names = reached(BACKEND.read_text(encoding="utf-8"))
    assert len(names) > 15
    assert {name for name in names if not there.has(name)} == set()


def test_a_name_that_pycuda_has_not_is_caught() -> None:
    there = surface(NEWEST)
    made_up = "driver.Stream()\ndriver.Stream.begin_capture\ndriver.event_flags.SLEEPY\ndriver.mem_alloc_fast(1)\n"
    assert {name for name in reached(made_up) if not there.has(name)} == {
        "Stream.begin_capture",
        "event_flags.SLEEPY",
        "mem_alloc_fast",
    }


@versions
def test_the_simulation_has_nothing_that_pycuda_has_not(version: str) -> None:
    there = surface(version)
    names = simulated_names()
    assert {"Context.push", "Device.retain_primary_context", "Stream.handle", "DeviceAllocation.free"} <= set(names)
    assert {name for name in names if not there.has(name)} == set()
    for name, arguments in there.functions.items():
        if arguments and name in names:
            assert tuple(inspect.signature(names[name]).parameters) == arguments, name  # type: ignore[arg-type]


@versions
def test_what_the_backend_builds_on_holds(version: str) -> None:
    wrapper, module = sources(version)
    assert "from pycuda._driver import *" in module, "the driver module gives the wrapper's names"
    # Page-locked arrays lie in an allocation that is their base, which `Buffer.free` frees.
    empty = wrapper.partition("numpy_empty(")[2][:2000]
    assert re.search(r"PyArray_BASE\(result\.get\(\)\) = alloc_py|PyArray_SetBaseObject", empty)
    # An address is the allocation as an integer, and a failure to allocate is told apart from others.
    assert '.def("__int__", &cl::operator CUdeviceptr)' in wrapper.partition('("DeviceAllocation"')[2][:200]
    assert re.search(r"CUDA_ERROR_OUT_OF_MEMORY\)\s*PyErr_SetString\(CudaMemoryError", wrapper)
    assert '.staticmethod("pop")' in wrapper
    assert '.staticmethod("count")' in wrapper
    for name in MADE_BY_FUNCTIONS:
        assert re.search(rf'"{name}",\s*py::no_init', wrapper), f"{name} is made by a function"
