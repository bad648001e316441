"""A bundle's graph in torch as it runs on a device: nothing to train, every tensor in its final precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

from etc_edge.core.errors import GraphError
from etc_edge.torch_graph.fake_quantize import ActivationQuantizer
from etc_edge.torch_graph.graph import TorchGraph, WeightRange
from etc_edge.torch_graph.operation import Run
from etc_edge.torch_graph.plan import Step

HALF_LIMIT = torch.finfo(torch.float16).max / 2
"""Steps that were seen to come further stay in 32 bits: other frames go a little beyond those that were looked at."""


class Quantizer(Protocol):
    """How a program writes what is quantized."""

    def constant(self, scale: Tensor, low: int, high: int) -> Tensor:
        """What `activation` needs to know of a grid: `scale` float32 (), smallest and largest code less zero point."""

    def limits(self, low: int, high: int) -> tuple[float, float]:
        """Where `activation` cuts off, in multiples of the scale; other bounds of activation functions are kept."""

    def activation(self, data: Tensor, constant: Tensor, low: int, high: int) -> Tensor:
        """An activation's Q/DQ pair; activation functions that the graph leaves to it are done already."""

    def weight_constant(self, weight: WeightRange, rank: int) -> Tensor | None:
        """What `weight` needs to know, or None where a weight stays what its codes stand for."""

    def weight(self, real: Tensor, constant: Tensor) -> Tensor:
        """A weight's pair, given the real values of its codes."""


class Simulated:
    """Pairs in 32-bit floats by the letter of ONNX: halves to even, codes saturate; weights are real values."""

    def constant(self, scale: Tensor, low: int, high: int) -> Tensor:
        """See Quantizer."""
        return scale

    def limits(self, low: int, high: int) -> tuple[float, float]:
        """See Quantizer."""
        return low, high

    def activation(self, data: Tensor, constant: Tensor, low: int, high: int) -> Tensor:
        """See Quantizer."""
        return torch.clamp(torch.round(data / constant), low, high) * constant

    def weight_constant(self, weight: WeightRange, rank: int) -> Tensor | None:
        """See Quantizer."""
        return None

    def weight(self, real: Tensor, constant: Tensor) -> Tensor:
        """See Quantizer."""
        return real


class Deployed(nn.Module):
    """The steps from one tensor of a graph to another, with constants as buffers; `torch.export` takes it as it is.

    Args:
        graph: holds the model; is left as it is.
        output: the tensor to compute.
        start: the tensor to begin with; None takes the graph's input.
        dtype: float type of tensors and constants.
        wide: names of results whose steps stay in 32-bit floats.
        quantizer: writes what is quantized.

    Raises:
        GraphError: `output` needs more than `start`.
    """

    def __init__(
        self,
        graph: TorchGraph,
        output: str,
        *,
        start: str | None = None,
        dtype: torch.dtype = torch.float32,
        wide: Iterable[str] = (),
        quantizer: Quantizer | None = None,
    ) -> None:
        super().__init__()
        self.start, self.output = graph.input if start is None else start, output
        self._quantizer, wide = quantizer or Simulated(), set(wide)
        with torch.no_grad():
            values = {name: value.detach() for name, value in graph.prepared().items()}
        wanted = _makes(graph.steps, output) - _makes(graph.steps, self.start)
        steps = [step for step in graph.steps if wanted.intersection(step.outputs)]
        self._steps = [_with_pair(step, values, self._quantizer) for step in steps]
        self._types = [torch.float32 if wide.intersection(step.outputs) else dtype for step in steps]
        self._places: dict[tuple[str, torch.dtype], str] = {}
        made = {self.start}
        for step, kind in zip(self._steps, self._types, strict=True):
            for name in filter(None, step.inputs):
                if name in values:
                    self._keep(name, values[name], torch.float32 if isinstance(step.run, _Pair) else kind)
                elif name not in made:
                    raise GraphError(f"Found {output!r} depending on {name!r}, expected on {self.start!r} alone.")
            made.update(step.outputs)
        self._weights = self._quantized_weights(graph.weight_ranges(), values)

    @property
    def quantized(self) -> int:
        """How many activations and weights are quantized."""
        return sum(isinstance(step.run, _Pair) for step in self._steps) + len(self._weights)

    def forward(self, data: Tensor) -> Tensor:
        """Run the steps; `data` is what `start` holds, for as many frames as the file is written for."""
        tensors = {self.start: data}
        for step, kind in zip(self._steps, self._types, strict=True):
            operands = [self._operand(name, tensors, kind, step.run) if name else None for name in step.inputs]
            results = step.run(*operands)
            given = (results,) if isinstance(results, Tensor) else results
            self._look_at(step, operands, given)
            tensors.update((name, _as(value, kind)) for name, value in zip(step.outputs, given, strict=False))
            for name in step.last:
                if name != self.output:
                    tensors.pop(name, None)
        return tensors[self.output]

    def _look_at(self, step: Step, operands: list[Tensor | None], results: tuple[Tensor, ...]) -> None:
        """Called after every step."""

    def _operand(self, name: str, tensors: dict[str, Tensor], kind: torch.dtype, run: Run) -> Tensor:
        exact = isinstance(run, _Pair)  # a pair takes what there is: rounding the data first would move codes
        if name in tensors:
            return tensors[name] if exact else _as(tensors[name], kind)
        value = self._constant(name, torch.float32 if exact else kind)
        constant = self._weights.get(name)
        return value if constant is None else self._quantizer.weight(value, self._constant(constant, torch.float32))

    def _constant(self, name: str, kind: torch.dtype) -> Tensor:
        found: Tensor = getattr(self, self._places[name, kind])
        return found

    def _quantized_weights(self, weights: dict[str, WeightRange], values: dict[str, Tensor]) -> dict[str, str]:
        """The names of the weights that are quantized here, and of their constants."""
        read = {name for name, _ in self._places}
        found = {}
        for name, weight in weights.items():
            constant = self._quantizer.weight_constant(weight, values[name].dim()) if name in read else None
            if constant is not None:
                found[name] = f"{name} grid"
                self._keep(found[name], constant, torch.float32)
        return found

    def _keep(self, name: str, value: Tensor, kind: torch.dtype) -> None:
        if (name, kind) not in self._places:
            self._places[name, kind] = place = f"constant_{len(self._places)}"
            self.register_buffer(place, _as(value, kind).clone(memory_format=torch.contiguous_format))


@torch.no_grad()
def beyond_half(graph: TorchGraph, output: str, frames: Iterable[Tensor]) -> set[str]:
    """Names of the results of steps that come near the end of 16-bit floats, or read something that does.

    Args:
        graph: float or Q/DQ.
        output: the tensor that is computed.
        frames: what the graph takes, one after the other.
    """
    watched = _Watched(graph, output)
    for frame in frames:
        watched(frame)
    return watched.large


class _Watched(Deployed):
    """Takes note of the steps that come beyond `HALF_LIMIT`."""

    def __init__(self, graph: TorchGraph, output: str) -> None:
        super().__init__(graph, output)
        self.large: set[str] = set()

    def _look_at(self, step: Step, operands: list[Tensor | None], results: tuple[Tensor, ...]) -> None:
        seen = [value for value in (*operands, *results) if value is not None and value.is_floating_point()]
        if any(value.numel() and not value.abs().max() <= HALF_LIMIT for value in seen):
            self.large.update(step.outputs)


class _Pair:
    """A pair, and before it what of an activation function its codes do not do by themselves."""

    def __init__(self, codes: ActivationQuantizer, scale: Tensor, quantizer: Quantizer) -> None:
        self.low, self.high, self.quantizer = codes.low, codes.high, quantizer
        (low, high), step = codes.bounds, float(scale)
        least, most = quantizer.limits(codes.low, codes.high)
        self.least = low if low > least * step else None
        self.most = high if high < most * step else None

    def __call__(self, data: Tensor, constant: Tensor) -> Tensor:
        if self.least == 0.0 and self.most is None:
            data = torch.relu(data)
        elif self.least is not None or self.most is not None:
            data = torch.clamp(data, self.least, self.most)
        return self.quantizer.activation(data, constant, self.low, self.high)


def _with_pair(step: Step, values: dict[str, Tensor], quantizer: Quantizer) -> Step:
    """A step of fake quantization as the quantizer writes it, its constant added to `values`."""
    if not isinstance(step.run, ActivationQuantizer):
        return step
    data, scale = step.inputs
    pair = _Pair(step.run, values[scale], quantizer)
    name = f"{scale} grid {pair.low} {pair.high}"
    values[name] = quantizer.constant(values[scale], pair.low, pair.high)
    return Step(pair, (data, name), step.outputs, step.last)


def _makes(steps: list[Step], tensor: str) -> set[str]:
    """Results of the steps that a tensor depends on, its own included."""
    needed: set[str] = {tensor}
    made: set[str] = set()
    for step in reversed(steps):
        if needed.intersection(step.outputs):
            needed.update(step.inputs)
            made.update(step.outputs)
    return made


def _as(value: Tensor, kind: torch.dtype) -> Tensor:
    return value.to(kind) if value.is_floating_point() and value.dtype != kind else value
