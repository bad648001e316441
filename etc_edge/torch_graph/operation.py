"""One node of a graph as the implementation of its operator sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from torch import Tensor

Array = npt.NDArray[Any]

Run = Callable[..., Tensor | tuple[Tensor, ...]]
"""Takes a tensor an input, None where an optional one is left out, and gives the node's result or results."""


class Refusal(Exception):
    """A node that cannot be run, and why."""


@dataclass(frozen=True)
class Operation:
    """A node, read once before anything runs.

    Args:
        name: the node's.
        op_type: its operator.
        opset: the version of ONNX that it is written in.
        options: its attributes.
        inputs: names of its operands, "" where one is left out.
        outputs: names of its results.
        constants: values of the tensors that no frame and no training changes, by name.
        shapes: static shapes for one frame, by name, as far as they are known.
    """

    name: str
    op_type: str
    opset: int
    options: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]

    def option(self, name: str, default: Any = None) -> Any:
        """An attribute, as text where it is text."""
        value = self.options.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def has(self, position: int) -> bool:
        """Whether an operand is given."""
        return position < len(self.inputs) and bool(self.inputs[position])

    def constant(self, position: int) -> Array | None:
        """The value of an operand that says how to work, or None where it is left out.

        Raises:
            Refusal: it is computed.
        """
        if not self.has(position):
            return None
        name = self.inputs[position]
        if name not in self.constants:
            self.refuse(f"operand {name!r} is computed, expected a constant")
        return self.constants[name]

    def integers(self, position: int, option: str) -> list[int] | None:
        """A list of integers that is an operand in newer opsets and an attribute in older ones; None where neither."""
        value = self.constant(position)
        if value is None:
            value = self.options.get(option)
        return None if value is None else [int(number) for number in np.asarray(value).reshape(-1)]

    def shape(self, position: int) -> tuple[int, ...]:
        """The static shape of an operand, for one frame.

        Raises:
            Refusal: it is not known.
        """
        found = self.shapes.get(self.inputs[position])
        return self.refuse(f"operand {self.inputs[position]!r} has no static shape") if found is None else found

    def refuse(self, reason: str) -> NoReturn:
        """Say that the node cannot be run.

        Raises:
            Refusal: always.
        """
        raise Refusal(reason)

    def expect(self, name: str, *values: Any) -> None:
        """Refuse the node unless an attribute is left out or has one of some values.

        Raises:
            Refusal: it has another.
        """
        found = self.option(name, values[0])
        if found not in values:
            self.refuse(f"{name} is {found!r}")

    def axis(self, default: int, position: int = 0) -> int:
        """The attribute `axis`, counted from the front."""
        axis = int(self.option("axis", default))
        return axis if axis >= 0 else axis + len(self.shape(position))


Builder = Callable[[Operation], Run]
"""Reads a node, refuses what is not supported, and gives what runs it."""


def plain(function: Run) -> Builder:
    """The builder of an operator without attributes."""
    return lambda operation: function
