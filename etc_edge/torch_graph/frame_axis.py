"""Whether a graph that was written for one frame gives for several what it gives for each.

The first axis of every tensor that depends on the frame must count frames: have the size 1 for one frame, and be left
alone by every operator on the way.
"""

from __future__ import annotations

from collections.abc import Callable

from etc_edge.torch_graph.operation import Operation


def keeps_frames_apart(operation: Operation, framed: set[str]) -> bool:
    """Whether an operation treats the frames of its operands one by one.

    Args:
        operation: with constants and shapes for one frame.
        framed: names of the tensors that depend on the frame.
    """
    data = [name for name in operation.inputs if name in framed]
    shapes = [operation.shapes.get(name) for name in (*data, *(name for name in operation.outputs if name))]
    known = [shape for shape in shapes if shape]
    if len(known) < len(shapes) or any(shape[0] != 1 for shape in known):
        return False
    return RULES.get(operation.op_type, _aligned)(operation, data)


Rule = Callable[[Operation, list[str]], bool]


def _aligned(operation: Operation, data: list[str]) -> bool:
    """Operands that are spread over others begin with the same axis as the result."""
    rank = len(operation.shapes[operation.outputs[0]])
    return all(len(operation.shapes[name]) == rank for name in data)


def _always(operation: Operation, data: list[str]) -> bool:
    return True


def _never(operation: Operation, data: list[str]) -> bool:
    return False


def _not_first(default: int) -> Rule:
    return lambda operation, data: operation.axis(default) > 0


def _not_among(position: int) -> Rule:
    def rule(operation: Operation, data: list[str]) -> bool:
        axes = operation.integers(position, "axes")
        ranks = [len(operation.shapes[name]) for name in (operation.inputs[0], operation.outputs[0])]
        # The axes of Unsqueeze are counted in its result, those of others in their operand.
        return bool(axes) and all(axis % max(ranks) for axis in axes or [])

    return rule


def _slice(operation: Operation, data: list[str]) -> bool:
    axes = operation.integers(3, "axes") or list(range(len(operation.integers(1, "starts") or [])))
    return all(axis % len(operation.shape(0)) for axis in axes)


def _transpose(operation: Operation, data: list[str]) -> bool:
    return bool(operation.option("perm", [1])[0] == 0)


def _reshape(operation: Operation, data: list[str]) -> bool:
    return not operation.option("allowzero", 0)


def _flatten(operation: Operation, data: list[str]) -> bool:
    return operation.axis(1) == 1


def _first_operand(operation: Operation, data: list[str]) -> bool:
    return data == [operation.inputs[0]] and not operation.option("transA", 0)


def _matrix_product(operation: Operation, data: list[str]) -> bool:
    ranks = [len(operation.shapes[name]) for name in operation.inputs]
    return _first_operand(operation, data) if max(ranks) < 3 else _aligned(operation, data)


RULES: dict[str, Rule] = {
    "Softmax": _not_first(-1),
    "LogSoftmax": _not_first(-1),
    "LayerNormalization": _not_first(-1),
    "ArgMax": _not_first(0),
    "Concat": _not_first(0),
    "Split": _not_first(0),
    "Gather": _not_first(0),
    "ReduceMean": _not_among(1),
    "ReduceSum": _not_among(1),
    "ReduceMax": _not_among(1),
    "ReduceMin": _not_among(1),
    "Squeeze": _not_among(1),
    "Unsqueeze": _not_among(1),
    "Slice": _slice,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Gemm": _first_operand,
    "MatMul": _matrix_product,
    "Shape": _never,
    "QuantizeLinear": _always,
    "DequantizeLinear": _always,
}
