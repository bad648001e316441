"""A bundle's own graph as a torch module: weights and scales are parameters, and go back into the same file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from etc_edge.core.errors import GraphError
from etc_edge.graph.grid import SMALLEST_SCALE
from etc_edge.graph.load import copy_model
from etc_edge.graph.view import GraphView
from etc_edge.torch_graph.fake_quantize import BiasQuantizer, WeightQuantizer
from etc_edge.torch_graph.plan import Array, Step, make_plan
from etc_edge.torch_graph.write_back import as_codes, with_constants

REACH = 0.49
"""How far beyond the last code a weight may start, in steps: it is still in range there."""


@dataclass(frozen=True)
class WeightRange:
    """How a weight is quantized.

    Args:
        scale: float32, () or one an entry of the axis.
        axis: the axis that the scales count; None for one scale.
    """

    scale: Tensor
    axis: int | None


class TorchGraph(nn.Module):
    """A float or Q/DQ graph that torch runs node by node, differentiable to its weights, biases and scales.

    What it gives is what the file says: rounding is ONNX's, halves to even, codes saturate at the grid, everything is
    32-bit floats. Zero points stay as they are. Scales that belong together (an operator that lets codes pass through
    has one grid on both sides) are one parameter. Nodes that deployment added, preprocessing first, are not trained.

    A scale is learned as the logarithm of what it is multiplied with since the file was read: it stays positive, it
    starts at exactly the file's, and one step of Adam changes every scale by a like share (as Jain et al.,
    *Trained Quantization Thresholds*, 2020, learn thresholds).

    Args:
        model: is left as it is.
        outputs: what to compute: the key in the result, and the tensor's name, as in `logits="logits"`.

    Raises:
        GraphError: the graph has not one input, a tensor is not there, or operators are not supported; all of them
            are named.
    """

    def __init__(self, model: onnx.ModelProto, **outputs: str) -> None:
        super().__init__()
        self._model = copy_model(model)
        view = GraphView(self._model)
        inputs = view.inputs()
        if len(inputs) != 1:
            found = ", ".join(info.name for info in inputs) or "none"
            raise GraphError(f"Found {len(inputs)} inputs ({found}), expected one: the frame.")
        self.input, self.outputs = inputs[0].name, dict(outputs)
        self._shape = view.shape(self.input)
        plan = make_plan(view, list(self.outputs.values()))
        self._stored, self._prepare, self._steps = plan.stored, plan.parameters, plan.frames
        self._for_one = self._shape is not None and self._shape[:1] == (1,)
        self._one_by_one = plan.one_by_one and self._for_one
        self._weights, self._biases = _Named(), _Named()
        self._activation_scales, self._weight_scales = _Named(), _Named()
        self._first_scales, self._constants = _Named(), _Named()
        for name, value in plan.constants.items():
            self._constants.keep(name, _tensor(value))
        self._read(view)

    @property
    def quantized(self) -> bool:
        """Whether anything in it is fake-quantized."""
        return bool(self._stored.pairs or self._stored.weights)

    def parameters_by_kind(self) -> dict[str, list[nn.Parameter]]:
        """`weights`, `biases`, `activation_scales` and `weight_scales`: groups for an optimiser."""
        kinds = ("weights", "biases", "activation_scales", "weight_scales")
        return {kind: list(getattr(self, f"_{kind}").learned()) for kind in kinds}

    def scales(self) -> dict[str, Tensor]:
        """Every learned scale as it is now, float32, by the name of its initializer; without gradient."""
        with torch.no_grad():
            return {name: self._scale(name) for name in self._scale_names()}

    @property
    def steps(self) -> list[Step]:
        """The work from the frames to the outputs."""
        return self._steps

    def prepared(self) -> dict[str, Tensor]:
        """Every tensor that does not depend on frames, by name: constants, scales, and weights and biases as used."""
        return self._ready()

    def weight_ranges(self) -> dict[str, WeightRange]:
        """How the quantized weights are stored, by the name under which steps read them."""
        scales = self.scales()
        return {
            name: WeightRange(scales[self._stored.learned_scale(weight.scale)], weight.axis)
            for name, weight in self._stored.weights.items()
        }

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Run frames.

        Args:
            frames: what the file takes, any number of them: uint8 (N, H, W, 3) for a deployed graph.

        Returns:
            the outputs that were asked for, frames first.

        Raises:
            GraphError: frames of another shape.
        """
        shape, given = self._shape, tuple(frames.shape)
        if shape is not None and given != ((len(frames), *shape[1:]) if self._for_one else shape):
            expected = f"(N, {_text(shape[1:])})" if self._for_one else f"({_text(shape)})"
            raise GraphError(f"Found frames of shape ({_text(given)}), expected {expected}.")
        with torch.autocast(frames.device.type, enabled=False):  # codes do not survive shorter floats
            ready = self._ready()
            if not self._one_by_one or len(frames) == 1:
                return self._outputs(ready, frames)
            each = [self._outputs(dict(ready), frames[number : number + 1]) for number in range(len(frames))]
            return {key: torch.cat([one[key] for one in each]) for key in self.outputs}

    def take_latents(self, model: onnx.ModelProto) -> int:
        """Start weights from the floats that their codes were made of, instead of from the middle of their codes.

        The network gives what it gave; a weight near the next code now needs a smaller push to get there. Floats that
        do not round to the stored code are left aside, those beyond the last code moved to where they can be trained.

        Args:
            model: the float graph that was quantized, its nodes by the same names.

        Returns:
            how many weights were found.
        """
        view, found = GraphView(model), 0
        readers = {node.name: node for node in model.graph.node}
        with torch.no_grad():
            for weight in self._stored.weights.values():
                reader, latent = readers.get(weight.reader), self._tensor(weight.codes)
                value = None if reader is None else view.constant(reader.input[weight.position])
                if value is None or value.shape != tuple(latent.shape):
                    continue
                quantizer = WeightQuantizer(weight.low, weight.high, weight.axis)
                scale = self._scale(self._stored.learned_scale(weight.scale))
                steps = (_tensor(value).to(latent) / quantizer.spread(scale, latent.dim())).clamp_(
                    weight.low - REACH, weight.high + REACH
                )
                same = steps.round() == quantizer.codes(latent, scale)
                latent.copy_(torch.where(same, steps * quantizer.spread(scale, latent.dim()), latent))
                found += 1
        return found

    def write_back(self) -> onnx.ModelProto:
        """A copy of the file with the trained tensors: the same nodes, new constants; untrained, the same bytes."""
        stored, values, view = self._stored, dict[str, Array](), GraphView(self._model)
        with torch.no_grad():
            scales = self.scales()
            for name in stored.floats:
                values[name] = _array(self._tensor(name))
            for pair in stored.pairs.values():
                values[pair.scale] = _array(scales[stored.learned_scale(pair.scale)])
            for name, other in stored.same_scale.items():
                values[name] = _array(scales[stored.learned_scale(other)])
            for weight in stored.weights.values():
                scale = scales[stored.learned_scale(weight.scale)]
                codes = WeightQuantizer(weight.low, weight.high, weight.axis).codes(self._tensor(weight.codes), scale)
                values[weight.scale] = _array(scale)
                values[weight.codes] = _array(codes) + weight.zero_point
            for bias in stored.biases.values():
                latent, quantizer = self._tensor(bias.codes), BiasQuantizer()
                step = quantizer.steps(
                    latent,
                    *(scales[stored.learned_scale(name)] for name in (bias.activation_scale, bias.weight_scale)),
                )
                values[bias.scale] = _array(step)
                values[bias.codes] = as_codes(_array(quantizer.codes(latent, step)), _value(view, bias.codes))
        return with_constants(self._model, values)

    def _read(self, view: GraphView) -> None:
        """Make parameters of what the file stores."""
        stored = self._stored
        for name, kind in stored.floats.items():
            (self._weights if kind == "weights" else self._biases).learn(name, _tensor(_value(view, name)))
        scales: dict[str, tuple[str, _Named]] = {}
        for weight in stored.weights.values():
            codes, scale = _tensor(_value(view, weight.codes)).to(torch.float32), _tensor(_value(view, weight.scale))
            spread = WeightQuantizer(weight.low, weight.high, weight.axis).spread(scale, codes.dim())
            self._weights.learn(weight.codes, (codes - weight.zero_point) * spread)
            scales[stored.learned_scale(weight.scale)] = weight.scale, self._weight_scales
        for pair in stored.pairs.values():
            scales[stored.learned_scale(pair.scale)] = pair.scale, self._activation_scales
        for name, (where, kind_of_scale) in scales.items():
            first = _tensor(_value(view, where))
            self._first_scales.keep(name, first)
            kind_of_scale.learn(name, torch.zeros_like(first))
        for bias in stored.biases.values():
            codes, step = (_tensor(_value(view, name)).to(torch.float32) for name in (bias.codes, bias.scale))
            self._biases.learn(bias.codes, codes * step)

    def _ready(self) -> dict[str, Tensor]:
        """Every tensor that does not depend on frames: constants, scales, and weights and biases as steps read them."""
        ready: dict[str, Tensor] = {**self._constants.tensors(), **self._weights.tensors(), **self._biases.tensors()}
        ready.update((name, self._scale(name)) for name in self._scale_names())
        _run(self._prepare, ready)
        return ready

    def _scale_names(self) -> Iterable[str]:
        return self._first_scales.tensors()

    def _scale(self, name: str) -> Tensor:
        learned = self._activation_scales if name in self._activation_scales.tensors() else self._weight_scales
        return (self._first_scales[name] * learned[name].exp()).clamp_min(SMALLEST_SCALE)

    def _tensor(self, name: str) -> Tensor:
        return (self._weights if name in self._weights.tensors() else self._biases)[name]

    def _outputs(self, ready: dict[str, Tensor], frames: Tensor) -> dict[str, Tensor]:
        ready[self.input] = frames
        _run(self._steps, ready)
        return {key: ready[name] for key, name in self.outputs.items()}


class _Named(nn.Module):
    """Tensors by names that may hold dots, which torch's own containers do not take."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[str, str] = {}

    def learn(self, name: str, value: Tensor) -> None:
        """Add a parameter; one that is there already stays."""
        if name not in self._places:
            self.register_parameter(self._place(name), nn.Parameter(value.clone()))

    def keep(self, name: str, value: Tensor) -> None:
        """Add a tensor that is not trained and that the file holds anyway."""
        if name not in self._places:
            self.register_buffer(self._place(name), value, persistent=False)

    def tensors(self) -> dict[str, Tensor]:
        """All of them."""
        return {name: self[name] for name in self._places}

    def learned(self) -> Iterable[nn.Parameter]:
        """The parameters."""
        return self.parameters()

    def __getitem__(self, name: str) -> Tensor:
        found: Tensor = getattr(self, self._places[name])
        return found

    def _place(self, name: str) -> str:
        place = f"{len(self._places)} {name.replace('.', '·')}"
        self._places[name] = place
        return place


def _run(steps: list[Step], tensors: dict[str, Tensor]) -> None:
    """Run steps; results are added to `tensors`, and what no later step reads is taken out."""
    for step in steps:
        results = step.run(*(tensors[name] if name else None for name in step.inputs))
        if isinstance(results, Tensor):
            tensors[step.outputs[0]] = results
        else:
            tensors.update(zip(step.outputs, results, strict=False))
        for name in step.last:
            tensors.pop(name, None)


def _value(view: GraphView, name: str) -> Array:
    value = view.constant(name)
    assert value is not None
    return value


def _tensor(value: Array) -> Tensor:
    return torch.from_numpy(np.array(value))


def _array(value: Tensor) -> Array:
    return np.asarray(value.detach().cpu().numpy())


def _text(shape: tuple[int, ...]) -> str:
    return ", ".join(str(size) for size in shape)
