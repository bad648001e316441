from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from etc_edge.core.errors import GraphError
from etc_edge.graph.view import GraphView, attributes, fresh_name, tensor_names


def model() -> onnx.ModelProto:
    value = np.arange(6, dtype=np.float32).reshape(1, 3, 2, 1)
    nodes = [
        helper.make_node("Constant", [], ["tensor"], value=numpy_helper.from_array(value)),
        helper.make_node("Constant", [], ["float"], value_float=0.5),
        helper.make_node("Constant", [], ["ints"], value_ints=[1, -1]),
        helper.make_node("Add", ["x", "tensor"], ["sum"], name="add"),
        helper.make_node("Mul", ["sum", "sum"], ["square"], name="mul"),
        helper.make_node("Mul", ["square", "float"], ["half"], name="half"),
        helper.make_node("Reshape", ["half", "ints"], ["y"], name="reshape"),
        helper.make_node("Shape", ["sum"], ["shape"], name="shape"),
    ]
    graph = helper.make_graph(
        nodes,
        "view",
        # As files of the first years list them: the weights among the inputs.
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "h", 4]),
            helper.make_tensor_value_info("weight", TensorProto.FLOAT, [2]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(2, np.float32), "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def view() -> GraphView:
    return GraphView(model())


def test_who_makes_and_who_reads(view: GraphView) -> None:
    assert view.producer["sum"].name == "add"
    assert [node.name for node in view.consumers["sum"]] == ["mul", "shape"], "a node that reads twice counts once"
    assert "x" not in view.producer
    assert "y" not in view.consumers


def test_constants_by_node_and_by_initializer(view: GraphView) -> None:
    assert {name for name in tensor_names(view.model) if view.is_constant(name)} == {
        "tensor",
        "float",
        "ints",
        "weight",
    }
    tensor, number, shape = (view.constant(name) for name in ("tensor", "float", "ints"))
    assert tensor is not None
    assert tensor.shape == (1, 3, 2, 1)
    assert number is not None
    assert (number.dtype, number.shape, float(number)) == (np.float32, (), 0.5)
    assert shape is not None
    assert shape.tolist() == [1, -1]
    assert view.constant("sum") is None
    assert view.constant("") is None


def test_shapes(view: GraphView) -> None:
    assert view.shape("tensor") == (1, 3, 2, 1)
    assert view.shape("weight") == (2,)
    assert view.shape("x") is None
    assert view.shape("nobody") is None
    with pytest.raises(GraphError, match="Found tensor 'x' without a static shape"):
        view.static_shape("x")


def test_types(view: GraphView) -> None:
    assert [name for name in ("x", "sum", "tensor", "weight", "y") if not view.is_float(name)] == []
    assert [name for name in ("ints", "shape", "nobody") if view.is_float(name)] == []


def test_weights_among_the_inputs_are_no_inputs(view: GraphView) -> None:
    assert [info.name for info in view.inputs()] == ["x"]


def test_attributes_as_python_values() -> None:
    node = helper.make_node("Resize", ["x"], ["y"], mode="linear", axes=[2, 3], cubic_coeff_a=-0.5)
    assert attributes(node) == {"mode": b"linear", "axes": [2, 3], "cubic_coeff_a": -0.5}


def test_fresh_names() -> None:
    taken = {"a", "a_1"}
    assert [fresh_name("a", taken), fresh_name("a", taken), fresh_name("b", taken)] == ["a_2", "a_3", "b"]
    assert taken == {"a", "a_1", "a_2", "a_3", "b"}
