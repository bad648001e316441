"""Layers as the engine inspector words them, and the refusal of engines that are not what was asked for."""

from __future__ import annotations

import msgspec
import pytest

from etc_edge.backends.tensorrt.layers import Layer, expect_precision, precisions, read_layers
from etc_edge.core.errors import CompileError, EngineError

# The two ways in which versions word a tensor: type and layout in one field, or in two.
ONE_FIELD = {"Name": "in", "Format/Datatype": "Thirty-two wide channel vectorized row major Int8 format"}
TWO_FIELDS = {"Name": "in", "Datatype": "Half", "Format": "Row major linear"}


def inspection(*layers: object) -> str:
    return msgspec.json.encode({"Layers": layers, "Bindings": []}).decode()


def weighted(precision: str, count: int) -> list[Layer]:
    return [Layer(name=f"conv {number}", precision=precision, weighted=True) for number in range(count)]


def test_both_wordings_tell_the_precision() -> None:
    text = inspection(
        {"Name": "conv", "LayerType": "CaskConvolution", "Inputs": [ONE_FIELD], "Outputs": [TWO_FIELDS]},
        {"Name": "add", "LayerType": "PointWise", "Inputs": [TWO_FIELDS], "Outputs": []},
        "a name alone, as with less verbosity",
    )
    conv, add, bare = read_layers(text)
    assert (conv.precision, conv.weighted, conv.writes) == ("int8", True, ("Half Row major linear",))
    assert (add.precision, add.weighted) == ("fp16", False)
    assert (bare.name, bare.precision) == ("a name alone, as with less verbosity", "")
    assert precisions((conv, add, bare)) == {"int8": 1, "fp16": 1}


@pytest.mark.parametrize("text", ["", "null", "{}", "[]", '{"Layers": 3}'])
def test_what_is_no_inspection(text: str) -> None:
    with pytest.raises(EngineError, match="telling nothing of an engine's layers"):
        read_layers(text)


def test_asking_for_int8_and_getting_fp32_is_an_error() -> None:
    with pytest.raises(CompileError, match=r"Found 0 of 4 layers with weights in int8 .*4 fp32"):
        expect_precision(weighted("fp32", 4), "int8", "street")
    with pytest.raises(CompileError, match="Found 1 of 4 layers with weights in int8"):
        expect_precision(weighted("int8", 1) + weighted("fp32", 3), "int8", "street")
    assert expect_precision(weighted("int8", 3) + weighted("fp32", 1), "int8", "street") == "layers: 3 int8, 1 fp32"
    assert expect_precision(weighted("int8", 1) + weighted("fp16", 3), "int8", "street") == "layers: 3 fp16, 1 int8"


def test_an_engine_that_tells_no_precision_is_not_believed() -> None:
    with pytest.raises(CompileError, match="no precision at all"):
        expect_precision([Layer(name="conv")], "int8", "street")
