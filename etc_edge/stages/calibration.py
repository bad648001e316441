"""Ranges of a float bundle's tensors, found on frames of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CalibrationError
from etc_edge.core.progress import Progress, track
from etc_edge.core.shipped import find_shipped
from etc_edge.data.clip import Clip
from etc_edge.data.dataset import Dataset, open_dataset
from etc_edge.data.neighbours import remaining
from etc_edge.data.sampling import (
    CalibrationList,
    FrameKeys,
    listed_frames,
    load_list,
    sample_list,
    without_frames,
)
from etc_edge.flow.base import open_flow
from etc_edge.frames.preprocess import fit_frame
from etc_edge.graph.grid import Scheme
from etc_edge.graph.view import GraphView
from etc_edge.quantization.bias_correction import bias_corrections, correctable
from etc_edge.quantization.calibrate import channel_means, channel_peaks, choose_ranges, observe
from etc_edge.quantization.equalization import equalization_factors
from etc_edge.quantization.observers.observer import OBSERVERS
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.prepared_graph import corrected_graph, equalized_graph
from etc_edge.quantization.quantize import node_weight_scales
from etc_edge.quantization.ranges import Ranges, TensorRange
from etc_edge.quantization.recipe import QuantizeRecipe, RefineRecipe
from etc_edge.quantization.refinement import Candidates, Refinement, refine
from etc_edge.quantization.signed_tensors import with_signed_tensors
from etc_edge.quantization.steadiness import read_pairs

Frames = Iterable[npt.NDArray[np.uint8]]

DEFAULT_FLOW = "dis-medium"
"""Motion of neighbours that ranges are refined on, where the data does not tell it."""

LOOK_AT = 16
"""Frames of the first look, which finds how the channels of each activation compare."""


@dataclass(frozen=True)
class Calibrated:
    """What was found.

    Args:
        ranges: of every tensor, with factors and corrections.
        frames: how many frames were looked at.
        refinement: what came of refining ranges; None where that was not asked for.
    """

    ranges: Ranges
    frames: int
    refinement: Refinement | None


@dataclass(frozen=True)
class Calibration:
    """A float bundle about to be calibrated.

    Args:
        bundle: in float.
        model: its graph.
        placement: which operators run in INT8.
        keep_float: names of operators that stay in float, for the record.
        recipe: observer, frames, and what else is to be found.
        scheme: the grid of the target.
        by_tensor: whether the target takes tensors whose unsigned codes it cannot keep on signed grids.
        progress: told what goes on.
    """

    bundle: Bundle
    model: onnx.ModelProto
    placement: Placement
    keep_float: list[str]
    recipe: QuantizeRecipe
    scheme: Scheme
    by_tensor: bool
    progress: Progress

    def on(self, data: str | None, keep_out: FrameKeys = frozenset()) -> Calibrated:
        """Look at the recipe's frames of a data set, but for those that are kept out.

        Raises:
            CalibrationError: no data.
            EtcEdgeError: the data or the list is missing, damaged or does not fit.
        """
        observer = OBSERVERS.load(self.recipe.observer)
        dataset, chosen = _frames_of(data, self.recipe, keep_out)
        names = [name for name in self.placement.tensors if name not in self.placement.shared]
        factors: dict[str, list[float]] = {}
        if self.recipe.equalize:
            peaks = channel_peaks(self.model, names, self._first_look(dataset, chosen, "equalising"))
            factors = {name: values.tolist() for name, values in equalization_factors(self.model, peaks).items()}
        equalized = equalized_graph(self.model, factors)
        images = track(self.progress, self._images(dataset, chosen), "calibrating", chosen.frame_count)
        statistics = observe(equalized, names, images)
        tensors = choose_ranges(statistics, self.placement, observer, self.scheme)
        if self.by_tensor:
            symmetric = partial(choose_ranges, statistics, self.placement, observer, "symmetric")
            tensors = with_signed_tensors(equalized, self.placement, tensors, self.recipe.weights, symmetric)
        corrections: dict[str, list[float]] = {}
        if self.recipe.bias_correction:
            seen = self._first_look(dataset, chosen, "correcting biases")
            corrections = self._corrections(equalized, tensors, seen)
        looked_at: dict[str, Any] = {"dataset": dataset.name, "split": chosen.split, "frames": chosen.frame_count}
        refined = None
        if self.recipe.refine is not None:
            ready = corrected_graph(equalized, corrections, self.placement)
            refined = self._refined(
                ready, tensors, self.recipe.refine, remaining(dataset.clips(chosen.split), keep_out)
            )
            tensors = refined.ranges
            looked_at["refined"] = refined.described(self.recipe.refine)
        found = Ranges(
            graph=self.bundle.manifest.files[self.bundle.model_path.name],
            scheme=self.scheme,
            observer=self.recipe.observer,
            data=looked_at,
            keep_float=self.keep_float,
            equalization=factors,
            weights=self.recipe.weights,
            bias_correction=corrections,
            tensors=tensors,
        )
        return Calibrated(found, chosen.frame_count, refined)

    @property
    def _size_hw(self) -> tuple[int, int]:
        return self.bundle.preprocessing.size_hw

    def _images(
        self, dataset: Dataset, chosen: CalibrationList, at_most: int | None = None
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """The list's frames at the network's size; `at_most` so many of them, spread over its runs."""
        if at_most is not None:
            step = max(1, len(chosen.clips) // at_most)
            chosen = msgspec.structs.replace(chosen, clips=chosen.clips[::step])
        for frame in islice(listed_frames(dataset, chosen), at_most):
            yield fit_frame(frame.image_rgb, self._size_hw)

    def _first_look(self, dataset: Dataset, chosen: CalibrationList, doing: str) -> Frames:
        images = self._images(dataset, chosen, LOOK_AT)
        return track(self.progress, images, doing, min(LOOK_AT, chosen.frame_count))

    def _corrections(
        self, model: onnx.ModelProto, tensors: Mapping[str, TensorRange], frames: Frames
    ) -> dict[str, list[float]]:
        """Corrections of biases of an equalised float graph, as ranges keep them."""
        grids = {name: span.grid(self.scheme) for name, span in tensors.items()}
        scales = node_weight_scales(GraphView(model), self.placement, grids, self.recipe.weights)
        inputs = correctable(model, self.placement)
        means = channel_means(model, list(dict.fromkeys(inputs.values())), frames)
        found = bias_corrections(model, scales, means)
        return {name: values.tolist() for name, values in found.items() if name in inputs}

    def _refined(
        self, model: onnx.ModelProto, tensors: Mapping[str, TensorRange], recipe: RefineRecipe, clips: Sequence[Clip]
    ) -> Refinement:
        pairs = read_pairs(clips, recipe.pairs, self._size_hw, open_flow(DEFAULT_FLOW))
        logits = self.bundle.manifest.logits
        candidates = Candidates(model, logits, self.placement, self.scheme, self.recipe.weights)
        return refine(candidates, self.placement, tensors, pairs, recipe, self.progress)


def _frames_of(data: str | None, recipe: QuantizeRecipe, keep_out: FrameKeys) -> tuple[Dataset, CalibrationList]:
    if data is None:
        raise CalibrationError(
            "Found no data to calibrate on.", "Name a data set with --data, or ranges with --ranges."
        )
    dataset, wanted = open_dataset(data), recipe.calibration
    if wanted.list is not None:
        chosen = load_list(find_shipped("calibration", wanted.list))
    else:
        chosen = sample_list(dataset, wanted.split, wanted.frames)
    return dataset, without_frames(chosen, keep_out)
