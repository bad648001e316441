"""Ranges tried on the whole network: narrowed or widened one by one where its logits come nearer to FP32's.

An observer chooses each range by the error at that very tensor. Here what counts is the error at the logits, and how
it changes from a frame to the next: coordinate descent from the observer's ranges, the tensors first that cost most,
on this processor's integer kernels in ONNX Runtime. Pairs that are not searched on judge the result; where they do not
find it better, the ranges stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.backends.device import lowering_here
from etc_edge.core.environment import available_cores
from etc_edge.core.errors import CalibrationError
from etc_edge.core.optional import require
from etc_edge.core.progress import Progress
from etc_edge.graph.cut import rest_after
from etc_edge.graph.grid import Scheme
from etc_edge.graph.load import to_bytes
from etc_edge.graph.lower import lower
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.quantize import own_weight_scales, quantized_graph
from etc_edge.quantization.ranges import TensorRange
from etc_edge.quantization.recipe import RefineRecipe
from etc_edge.quantization.steadiness import Departure, NeighbourPair, departure
from etc_edge.quantization.weights import Granularity

Float = npt.NDArray[np.float32]
Spans = Mapping[str, TensorRange]

FACTORS = (0.9, 1.1)
"""A range is multiplied by one of these as often as that helps."""

MOST_STEPS = 4
LEAST_GAIN = 1e-3
"""Of the objective, as a fraction: less than that is left alone, as it would hardly hold on other frames."""

HELD_BACK_EVERY = 4
RANKING_PAIRS = 2


@dataclass(frozen=True)
class Refinement:
    """What came of it.

    Args:
        ranges: refined where that held on pairs that were not searched on, else those that were given.
        kept: whether it held.
        tried: tensors that were tried, the dearest first.
        factors: what each changed range was multiplied by, by tensor name, whether or not that was kept.
        before, after: departure on the pairs held back, by the given ranges and by the refined.
    """

    ranges: dict[str, TensorRange]
    kept: bool
    tried: tuple[str, ...]
    factors: dict[str, float]
    before: Departure
    after: Departure

    def compared(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Before and after on the pairs held back: of the error, and of its change."""
        return (self.before.error, self.after.error), (self.before.change, self.after.change)

    def described(self, recipe: RefineRecipe) -> dict[str, Any]:
        """Plain data, to be kept beside the ranges."""
        error, change = (after / max(before, 1e-30) for before, after in self.compared())
        return {
            "steadiness": recipe.steadiness,
            "kept": self.kept,
            "changed": self.factors,
            "held_back_error": error,
            "held_back_change": change,
        }


class Candidates:
    """A deployed float graph that is quantized again and again, and what its logits are in FP32.

    Args:
        model: equalised, biases corrected.
        logits: what labels are the argmax of.
        placement: what is quantized.
        scheme, granularity: of activations and of weights.
        threads: of the engine; all available cores when None.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        logits: str,
        placement: Placement,
        scheme: Scheme,
        granularity: Granularity = "channel",
        threads: int | None = None,
    ) -> None:
        self._model, self._logits = rest_after(model, None, [logits]), logits
        self._placement, self._scheme, self._granularity = placement, scheme, granularity
        self._own_scales = own_weight_scales(GraphView(self._model), placement, granularity)
        self._threads = threads or available_cores()

    def float_logits(self, pairs: Sequence[NeighbourPair]) -> list[Float]:
        """FP32's, float32 (2, classes, h, w) a pair."""
        return self._run(self._model, pairs)

    def errors(
        self,
        spans: Spans,
        pairs: Sequence[NeighbourPair],
        expected: Sequence[Float],
        without: frozenset[str] = frozenset(),
    ) -> list[Float]:
        """INT8 minus FP32 of each pair, with tensors left in float where that is asked for."""
        tensors = tuple(name for name in self._placement.tensors if name not in without)
        shared = {name: source for name, source in self._placement.shared.items() if name in tensors}
        placement = replace(self._placement, tensors=tensors, shared=shared)
        graph = quantized_graph(
            self._model, placement, spans, self._scheme, self._granularity, own_scales=self._own_scales
        )
        found = self._run(lower(graph, lowering_here("onnxruntime")), pairs)
        return [ours - theirs for ours, theirs in zip(found, expected, strict=True)]

    def _run(self, model: onnx.ModelProto, pairs: Sequence[NeighbourPair]) -> list[Float]:
        ort: Any = require("onnxruntime", "onnxruntime", "refining ranges")
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime raises a dozen kinds that share no useful base
            text = " ".join(str(error).split())[:300]
            raise CalibrationError(f"ONNX Runtime refused a graph with ranges to try: {text}.") from error
        runs = ([session.run([self._logits], {FRAME: frame[None]})[0][0] for frame in pair.frames] for pair in pairs)
        return [np.stack(logits) for logits in runs]


def refine(
    candidates: Candidates,
    placement: Placement,
    ranges: Spans,
    pairs: Sequence[NeighbourPair],
    recipe: RefineRecipe,
    progress: Progress,
) -> Refinement:
    """Narrow or widen ranges where that brings the logits, and what happens between neighbours, nearer to FP32's.

    Args:
        candidates: the network.
        placement: what is quantized in it.
        ranges: to start from, one a tensor of the placement.
        pairs: two or more, of training frames; every fourth, one at least, is held back.
        recipe: what counts.
        progress: told what goes on.

    Raises:
        CalibrationError: ONNX Runtime refused a graph, or there are fewer than two pairs.
    """
    if len(pairs) < 2:
        raise CalibrationError(f"Found {len(pairs)} pair of neighbours, expected two or more.")
    held_back = [pair for number, pair in enumerate(pairs) if number % HELD_BACK_EVERY == 1]
    searched = [pair for number, pair in enumerate(pairs) if number % HELD_BACK_EVERY != 1]
    descent = _Descent(candidates, placement, searched, recipe.steadiness, dict(ranges))
    own = [name for name in placement.tensors if name not in placement.shared]
    with progress.task("ranking tensors", len(own)) as task:
        gains: dict[str, float] = {}
        for name in own:
            gains[name] = descent.gain_in_float(name)
            task.advance()
    tried = sorted(own, key=lambda name: -gains[name])[: recipe.tensors]
    factors: dict[str, float] = {}
    with progress.task("refining ranges", len(tried)) as task:
        for name in tried:
            factor = descent.improve(name)
            if factor != 1.0:
                factors[name] = factor
            task.advance()
    expected = candidates.float_logits(held_back)
    before, after = (
        departure(candidates.errors(spans, held_back, expected), held_back) for spans in (ranges, descent.spans)
    )
    kept = after.beside(before, recipe.steadiness) < before.beside(before, recipe.steadiness)
    return Refinement(descent.spans if kept else dict(ranges), kept, tuple(tried), factors, before, after)


class _Descent:
    def __init__(
        self,
        candidates: Candidates,
        placement: Placement,
        pairs: Sequence[NeighbourPair],
        steadiness: float,
        spans: dict[str, TensorRange],
    ) -> None:
        self.candidates, self.pairs, self.steadiness, self.spans = candidates, pairs, steadiness, spans
        self.followers = {
            name: [name, *(other for other, source in placement.shared.items() if source == name)]
            for name in placement.tensors
        }
        self.expected = candidates.float_logits(pairs)
        self.start = departure(candidates.errors(spans, pairs, self.expected), pairs)
        self.least = self.start.beside(self.start, steadiness)
        few = pairs[:RANKING_PAIRS]
        self.start_of_few = departure(candidates.errors(spans, few, self.expected[: len(few)]), few)

    def gain_in_float(self, name: str) -> float:
        """What the objective falls by on a few pairs where one tensor is not quantized."""
        few = self.pairs[:RANKING_PAIRS]
        errors = self.candidates.errors(self.spans, few, self.expected[: len(few)], frozenset(self.followers[name]))
        start = self.start_of_few
        return start.beside(start, self.steadiness) - departure(errors, few).beside(start, self.steadiness)

    def improve(self, name: str) -> float:
        """Settle the range of one tensor; what it was multiplied by."""
        given = self.spans[name]
        for factor in FACTORS:
            best = 1.0
            for _ in range(MOST_STEPS):
                low, high = given.low * best * factor, given.high * best * factor
                scaled = TensorRange(low, high, given.scheme)
                spans = {**self.spans, **dict.fromkeys(self.followers[name], scaled)}
                errors = self.candidates.errors(spans, self.pairs, self.expected)
                objective = departure(errors, self.pairs).beside(self.start, self.steadiness)
                if objective > self.least * (1.0 - LEAST_GAIN):
                    break
                best, self.least, self.spans = best * factor, objective, spans
            if best != 1.0:
                return best
        return 1.0
