"""Torch-TensorRT and modelopt hold what the backend reaches, by their own wheels' sources.

Neither can be installed beside a torch without CUDA, but their wheels hold Python, which is read and not run.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from etc_edge.backends.torch_tensorrt import compiler
from etc_edge.backends.torch_tensorrt.compiler import LAYERS
from tests.quantize_operator import SCHEMA

OLDEST, NEWEST = "2.8.0", "2.14.0"
VERSIONS = (OLDEST, "2.13.0", NEWEST)
DOWNLOAD_S = 120

COMPILE, SAVE = "torch_tensorrt/dynamo/_compiler.py", "torch_tensorrt/_compile.py"
DEBUGGER = "torch_tensorrt/dynamo/debug/_Debugger.py"
CONVERTERS = "torch_tensorrt/dynamo/conversion/aten_ops_converters.py"

Wheel = Callable[[str], zipfile.ZipFile]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    def download(requirement: str) -> zipfile.ZipFile:
        folder = tmp_path_factory.mktemp("wheel")
        # Sources are the same in every wheel of a version: those for one Python and one kind of machine will do.
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet",
                   "--python-version", "3.11", "--dest", str(folder), requirement]  # fmt: skip
        command += [
            part for tag in ("2_34", "2_28", "2_27", "2_17") for part in ("--platform", f"manylinux_{tag}_x86_64")
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{requirement} could not be downloaded in {DOWNLOAD_S} s")
        if done.returncode != 0:
            pytest.skip(f"{requirement} could not be downloaded: {done.stderr.strip().splitlines()[-1:]}")
        (path,) = folder.glob("*.whl")
        return zipfile.ZipFile(path)

    return download


def parameters(archive: zipfile.ZipFile, file: str, name: str) -> set[str]:
    """Names of the parameters of a function, or of a class's `__init__`."""
    tree = ast.parse(archive.read(file))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return parameters_of(next(one for one in node.body if getattr(one, "name", "") == "__init__"))
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return parameters_of(node)
    raise AssertionError(f"{name} is not in {file}")


def parameters_of(function: ast.stmt) -> set[str]:
    assert isinstance(function, ast.FunctionDef)
    return {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}


def keywords_given(name: str) -> set[str]:
    """Keywords that the backend's compiler gives to what it calls by a name."""
    tree = ast.parse(Path(compiler.__file__).read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (call,) = [
        call
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr == name)
        or (isinstance(call.func, ast.Name) and call.func.id == name)
    ]
    return {keyword.arg for keyword in call.keywords if keyword.arg is not None}


@pytest.mark.parametrize("version", VERSIONS)
def test_torch_tensorrt_has_what_the_backend_calls(version: str, wheel: Wheel) -> None:
    with wheel(f"torch-tensorrt=={version}") as archive:
        known = parameters(archive, COMPILE, "compile")
        assert {*keywords_given("build"), "require_full_compilation", "min_block_size"} <= known
        assert keywords_given("save") <= parameters(archive, SAVE, "save")
        assert keywords_given("Debugger") <= parameters(archive, DEBUGGER, "Debugger")
        assert b"Debugger" in archive.read("torch_tensorrt/dynamo/__init__.py")
        assert LAYERS.encode() in archive.read(COMPILE)
        # Types come from the program: newer versions know no other way, older ones have to be told.
        assert ("use_explicit_typing" in known) == ("enabled_precisions" in known)
        assert "no_such_setting" not in known


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_its_int8_is_modelopts_operator_by_the_first_axis(version: str, wheel: Wheel) -> None:
    with wheel(f"torch-tensorrt=={version}") as archive:
        converters = archive.read(CONVERTERS).decode()
        convert = archive.read("torch_tensorrt/dynamo/conversion/impl/quantize.py").decode()
        folding = archive.read("torch_tensorrt/dynamo/lowering/passes/constant_folding.py").decode()
    assert "torch.ops.tensorrt.quantize_op.default" in converters
    assert "torch.ops.quantized_decomposed" not in converters
    assert "import modelopt.torch.quantization" in converters
    assert "axis == 0" in convert
    assert "max_bound = 127" in convert
    assert "self.quantization_ops.add(torch.ops.tensorrt.quantize_op.default)" in folding


def test_modelopt_registers_the_operator_that_is_written(wheel: Wheel) -> None:
    with wheel("nvidia-modelopt==0.47.0") as archive:
        tree = ast.parse(archive.read("modelopt/torch/quantization/tensor_quant.py"))
    schemas = [
        "".join(ast.literal_eval(call.args[1]).split())
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "torch.library.define"
        and ast.literal_eval(call.args[0]) == "tensorrt::quantize_op"
    ]  # fmt: skip
    assert schemas == ["".join(SCHEMA.split())]
