"""The order of work: a graph's nodes as steps that torch runs, everything that cannot run found out beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

from etc_edge.core.errors import GraphError
from etc_edge.core.table import nearest
from etc_edge.graph.bounds import activation_bounds
from etc_edge.graph.view import GraphView, attributes
from etc_edge.torch_graph.fake_quantize import ActivationQuantizer, BiasQuantizer, WeightQuantizer
from etc_edge.torch_graph.frame_axis import keeps_frames_apart
from etc_edge.torch_graph.operation import Operation, Refusal, Run
from etc_edge.torch_graph.operators.table import OPERATORS
from etc_edge.torch_graph.stored import Stored, StoredPair, read_stored

Array = npt.NDArray[Any]

OLDEST_OPSET = 13
"""Before it, Softmax and others meant something else."""

# Nodes whose result is known although their operand is not.
STATIC = ("Shape",)


@dataclass(frozen=True)
class Step:
    """One call; tensors are looked up and kept by name, and forgotten after their last reader."""

    run: Run
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    last: tuple[str, ...] = ()


@dataclass
class Plan:
    """What a graph needs to run.

    Args:
        stored: what of it is trained.
        constants: values that steps read and nothing changes, by name.
        parameters: steps that make weights and biases real; no frame changes them.
        frames: steps from the frames to the outputs.
        one_by_one: whether several frames must be run one after the other.
    """

    stored: Stored
    constants: dict[str, Array] = field(default_factory=dict)
    parameters: list[Step] = field(default_factory=list)
    frames: list[Step] = field(default_factory=list)
    one_by_one: bool = False


def make_plan(view: GraphView, outputs: Sequence[str]) -> Plan:
    """Plan the work that some tensors of a graph need.

    Raises:
        GraphError: a tensor is not there, or operators are not supported: all of them, by name and reason.
    """
    planner = _Planner(view, outputs)
    return planner.plan()


class _Planner:
    def __init__(self, view: GraphView, outputs: Sequence[str]) -> None:
        self.view, self.outputs = view, outputs
        self.nodes = _needed(view, outputs)
        self.opset = max(entry.version for entry in view.model.opset_import if entry.domain in ("", "ai.onnx"))
        if self.opset < OLDEST_OPSET:
            raise GraphError(
                f"Found ONNX opset {self.opset}, expected {OLDEST_OPSET} or later.", "Export the network anew."
            )
        self.made = Plan(read_stored(view, self.nodes, outputs))
        self.framed = {info.name for info in view.inputs()}
        self.known: dict[str, Array] = {}
        self.refused: dict[str, str] = {}
        self.fused: dict[str, tuple[str, tuple[float, float]]] = {}

    def plan(self) -> Plan:
        stored, plan = self.made.stored, self.made
        for name, reason in stored.refused.items():
            self.refused[f"QuantizeLinear {name!r}"] = reason
        self._parameters()
        for info in self.view.inputs():
            self._quantize(info.name)
        for node in self.nodes:
            if node.output[0] in stored.replaced:
                continue
            self._fuse(node)
            if node.output[0] not in self.fused:
                try:
                    self._step(node)
                except Refusal as refusal:
                    self.refused[f"{node.op_type} {node.name!r}"] = str(refusal)
            for name in node.output:
                self._quantize(name)
        if self.refused:
            hint = "Export the network with other operators, or quantize it without fine-tuning."
            raise GraphError(_refusal(self.refused), hint)
        read = {name for step in (*plan.parameters, *plan.frames) for name in step.inputs} | set(self.outputs)
        plan.constants = {name: value for name, value in self.known.items() if name in read}
        plan.frames = _forgetful(plan.frames, set(self.outputs) | set(plan.constants) | self._lasting())
        return plan

    def _lasting(self) -> set[str]:
        """Tensors that are there before the frames are."""
        stored = self.made.stored
        scales = {stored.learned_scale(pair.scale) for pair in stored.pairs.values()}
        return {name for step in self.made.parameters for name in step.outputs} | set(stored.floats) | scales

    def _parameters(self) -> None:
        stored, steps = self.made.stored, self.made.parameters
        for weight in stored.weights.values():
            run = WeightQuantizer(weight.low, weight.high, weight.axis)
            steps.append(Step(run, (weight.codes, stored.learned_scale(weight.scale)), (weight.real,)))
        for bias in stored.biases.values():
            scales = (stored.learned_scale(name) for name in (bias.activation_scale, bias.weight_scale))
            steps.append(Step(BiasQuantizer(), (bias.codes, *scales), (bias.real,)))

    def _fuse(self, node: onnx.NodeProto) -> None:
        """Leave a `Relu` or `Clip` to the fake quantization after it where nothing else reads it: codes end there."""
        name, bounds = node.output[0], activation_bounds(self.view, node)
        readers = self.view.consumers.get(name, [])
        if bounds is None or name not in self.made.stored.pairs or len(readers) != 1 or name in self.outputs:
            return
        if bounds[0] <= 0.0 <= bounds[1]:
            self.fused[name] = node.input[0], bounds
            self.framed.update(node.output)

    def _quantize(self, name: str) -> None:
        pair: StoredPair | None = self.made.stored.pairs.get(name)
        if pair is None:
            return
        data, bounds = self.fused.get(name, (name, (-inf, inf)))
        run = ActivationQuantizer(pair.low, pair.high, bounds)
        scale = self.made.stored.learned_scale(pair.scale)
        self.made.frames.append(Step(run, (data, scale), pair.reals[:1]))
        self.made.frames += [Step(lambda real: real, pair.reals[:1], (other,)) for other in pair.reals[1:]]
        self.framed.update(pair.reals)

    def _step(self, node: onnx.NodeProto) -> None:
        operation = self._operation(node)
        if node.op_type == "Constant":
            value = self.view.constant(node.output[0])
            if value is None:
                operation.refuse("expected a tensor of numbers")
            self.known[node.output[0]] = value
            return
        if node.domain not in ("", "ai.onnx"):
            operation.refuse(f"an operator of {node.domain}")
        if node.op_type not in OPERATORS.names():
            operation.refuse("no such operator here")
        run = OPERATORS.load(node.op_type)(operation)
        given = [name for name in operation.inputs if name]
        if node.op_type in STATIC:
            self._keep(node, run(torch.empty(operation.shape(0), device="meta")))
        elif all(name in operation.constants for name in given):
            self._keep(node, run(*(_tensor(operation, name) if name else None for name in operation.inputs)))
        elif self.framed.isdisjoint(given):
            self.made.parameters.append(Step(run, operation.inputs, operation.outputs))
        else:
            self.made.frames.append(Step(run, operation.inputs, operation.outputs))
            self.made.one_by_one |= not keeps_frames_apart(operation, self.framed)
            self.framed.update(name for name in node.output if name)

    def _keep(self, node: onnx.NodeProto, results: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        """Take note of a result that nothing changes."""
        found = (results,) if isinstance(results, torch.Tensor) else results
        self.known.update((name, value.numpy()) for name, value in zip(node.output, found, strict=False))

    def _operation(self, node: onnx.NodeProto) -> Operation:
        names = [name for name in (*node.input, *node.output) if name]
        shapes = {name: shape for name in names if (shape := self.view.shape(name)) is not None}
        for name in node.input:
            value = self.view.constant(name) if name and name not in self.made.stored.floats else None
            if value is not None:
                self.known.setdefault(name, value)
        constants = {name: self.known[name] for name in node.input if name in self.known}
        return Operation(
            name=node.name,
            op_type=node.op_type,
            opset=self.opset,
            options=attributes(node),
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            constants=constants,
            shapes={**shapes, **{name: value.shape for name, value in constants.items()}},
        )


def _needed(view: GraphView, outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """The nodes that some tensors depend on, in the order of the graph."""
    missing = [name for name in outputs if name not in view.producer]
    if missing:
        made = [name for name in view.producer if "/" not in name]
        raise GraphError(f"Found no tensor {missing[0]!r} that the graph computes.", nearest(missing[0], made))
    wanted, kept = set(outputs), []
    for node in reversed(view.model.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _tensor(operation: Operation, name: str) -> torch.Tensor:
    value = operation.constants[name]
    try:
        return torch.from_numpy(np.array(value))
    except TypeError:
        return operation.refuse(f"operand {name!r} is of type {value.dtype.name}")


def _forgetful(steps: list[Step], kept: set[str]) -> list[Step]:
    """The same steps, each of which says whose last reader it is."""
    found, seen = [], set(kept)
    for step in reversed(steps):
        ends = tuple(name for name in dict.fromkeys((*step.inputs, *step.outputs)) if name and name not in seen)
        seen.update(ends)
        found.append(Step(step.run, step.inputs, step.outputs, ends))
    return found[::-1]


def _refusal(refused: dict[str, str]) -> str:
    one = len(refused) == 1
    listed = "; ".join(f"{node}: {reason}" for node, reason in refused.items())
    return f"Found {len(refused)} operator{'' if one else 's'} that torch cannot run here: {listed}."
