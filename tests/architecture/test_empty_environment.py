"""A device that only runs a model has neither torch nor onnx, and every engine's package is optional."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from etc_edge.cli.main import COMMANDS
from tests.architecture.package_files import (
    GRAPH_PACKAGES,
    TEST_PACKAGES,
    TORCH_PACKAGES,
    TORCH_ROOMS,
    VENDOR_PACKAGES,
    in_rooms,
    is_engine,
    module_name,
    source_files,
)

# What reads or writes graphs, and so needs onnx at the top of the file.
GRAPH_ROOMS = (
    "etc_edge.graph",
    "etc_edge.quantization",
    "etc_edge.stages.calibration",
    "etc_edge.stages.demo",
    "etc_edge.stages.dry_run",
    "etc_edge.stages.export",
    "etc_edge.stages.inspect",
    "etc_edge.stages.quantize",
    "etc_edge.stages.search",
    "etc_edge.stages.sensitivity",
)
FILES_AND_PICTURES = ("cv2", "av")

BLOCKER = """
import importlib, json, sys

class Blocker:
    def __init__(self, names):
        self.names = names
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked, modules = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocker(set(blocked)))
"""

IMPORT_EACH = (
    BLOCKER
    + """
failures = {}
for module in modules:
    try:
        importlib.import_module(module)
    except BaseException as error:
        failures[module] = f"{type(error).__name__}: {error}"
print(json.dumps(failures))
"""
)

HELP_OF_EACH = (
    BLOCKER
    + """
import contextlib, io
from etc_edge.cli.main import run

outcomes = {}
for command in modules:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run(["--help"] if command == "" else [command, "--help"])
    outcomes[command] = [code, output.getvalue()]
heavy = sorted({name.split(".")[0] for name in sys.modules} & HEAVY)
print(json.dumps([outcomes, heavy]))
"""
)


def in_child(script: str, blocked: tuple[str, ...], names: list[str]) -> object:
    """Run a script in a new interpreter in which `blocked` packages cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, json.dumps([blocked, names])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def modules_outside(rooms: tuple[str, ...]) -> list[str]:
    names = [module_name(file) for file in source_files()]
    return [name for name in names if not in_rooms(name, rooms) and not is_engine(name)]


def test_every_torch_free_module_imports_without_torch_and_vendor_packages() -> None:
    blocked = TORCH_PACKAGES + VENDOR_PACKAGES + TEST_PACKAGES
    assert in_child(IMPORT_EACH, blocked, modules_outside(TORCH_ROOMS)) == {}


def test_every_module_that_only_runs_a_model_imports_without_onnx_too() -> None:
    blocked = TORCH_PACKAGES + VENDOR_PACKAGES + GRAPH_PACKAGES + TEST_PACKAGES
    assert in_child(IMPORT_EACH, blocked, modules_outside(TORCH_ROOMS + GRAPH_ROOMS)) == {}


def test_every_help_runs_in_an_empty_environment_and_imports_nothing_heavy() -> None:
    blocked = TORCH_PACKAGES + VENDOR_PACKAGES + GRAPH_PACKAGES + TEST_PACKAGES + FILES_AND_PICTURES
    script = HELP_OF_EACH.replace("HEAVY", "{'cv2', 'av', 'onnx', 'torch', 'numpy', 'rich', 'yaml', 'msgspec'}")
    outcomes, heavy = in_child(script, blocked, ["", *COMMANDS])  # type: ignore[misc]
    assert {command: text for command, (code, text) in outcomes.items() if code != 0 or "Usage:" not in text} == {}
    assert heavy == [], "the first answer must not wait for these packages"


@pytest.mark.parametrize("module", ["etc_edge", "etc_edge.runtime"])
def test_importing_is_light(module: str) -> None:
    script = IMPORT_EACH + "\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([[], [module]])], capture_output=True, text=True, check=True
    )
    failures, loaded = (json.loads(line) for line in done.stdout.splitlines())
    heavy = {"cv2", "av", *TORCH_PACKAGES, *VENDOR_PACKAGES, *GRAPH_PACKAGES, *TEST_PACKAGES}
    assert failures == {}
    assert heavy.isdisjoint(loaded), heavy.intersection(loaded)
