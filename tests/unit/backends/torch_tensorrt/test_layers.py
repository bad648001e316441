"""What is made of TensorRT's words about its layers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etc_edge.backends.torch_tensorrt.layers import Layers
from etc_edge.core.errors import CompileError

HALF = {"Name": "conv_1", "Inputs": [{"Name": "a", "Format/Datatype": "Channel major FP16 format"}]}
INT8 = {"Name": "conv_2", "Inputs": [{"Name": "b", "Format/Datatype": "Thirty-two wide channel vectorized Int8"}]}


def layers(path: Path, content: object) -> Layers:
    path.write_text(json.dumps(content))
    return Layers.read(path)


def test_layers_that_read_int8_are_counted(tmp_path: Path) -> None:
    found = layers(tmp_path / "info.json", {"Layers": [HALF, INT8, INT8]})
    assert found == Layers(3, 2)
    found.expect_int8("net", 10)
    assert found.note(1, 0) == "2 of 3 layers read INT8, 1 weights of INT8 operators in 16-bit floats"


def test_a_quantized_network_without_int8_is_an_error(tmp_path: Path) -> None:
    found = layers(tmp_path / "info.json", {"Layers": [HALF]})
    with pytest.raises(CompileError, match="Found no INT8 among the 1 layers.*net, in which 10 tensors"):
        found.expect_int8("net", 10)
    found.expect_int8("net", 0)
    assert found.note(0, 0) == "16-bit floats"


@pytest.mark.parametrize("content", [{"Layers": ["conv_1", "conv_2"]}, {"Layers": []}, {}, []])
def test_types_that_are_not_told_prove_nothing(content: object, tmp_path: Path) -> None:
    found = layers(tmp_path / "info.json", content)
    assert found.int8 is None
    found.expect_int8("net", 10)


def test_no_file(tmp_path: Path) -> None:
    assert Layers.read(tmp_path / "none.json") == Layers()
