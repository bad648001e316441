"""From an FP32 bundle to an INT8 bundle."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, check_bundle_path, write_bundle
from etc_edge.core.errors import BundleError, CalibrationError
from etc_edge.core.progress import Progress, Silent, track
from etc_edge.core.shipped import find_shipped
from etc_edge.core.table import nearest
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
from etc_edge.graph.bounds import with_divided_bounds
from etc_edge.graph.grid import Scheme
from etc_edge.graph.heads import output_logits
from etc_edge.graph.load import check_model, load_model, to_bytes
from etc_edge.graph.operations import node_macs
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView
from etc_edge.quantization.bias_correction import apply_corrections, bias_corrections, correctable
from etc_edge.quantization.calibrate import channel_means, channel_peaks, choose_ranges, observe
from etc_edge.quantization.equalization import apply_factors, equalization_factors
from etc_edge.quantization.observers.observer import OBSERVERS
from etc_edge.quantization.placement import Placement, place
from etc_edge.quantization.quantize import node_weight_scales, quantized_graph
from etc_edge.quantization.ranges import Ranges, TensorRange, encode_ranges, load_ranges
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.quantization.refinement import Candidates, Refinement, refine
from etc_edge.quantization.signed_tensors import with_signed_tensors
from etc_edge.quantization.steadiness import read_pairs
from etc_edge.quantization.weights import Granularity
from etc_edge.stages.export import labels_of

DEFAULT_FLOW = "dis-medium"
"""Motion of neighbours that ranges are refined on, where the data does not tell it."""

LOOK_AT = 16
"""Frames of the first look, which finds how the channels of each activation compare."""

SCHEMES: dict[str, Scheme] = {
    "cpu": "affine",
    "onnxruntime": "affine",
    "openvino": "affine",
    "tensorrt": "affine",
    "torch_tensorrt": "symmetric",
}
"""The grid that each target computes on; a bundle runs on the others too, where its codes mean the same numbers."""

BY_TENSOR = frozenset({"tensorrt"})
"""Targets whose lowering keeps unsigned codes where it can; the other tensors are symmetric."""

EQUALIZED_TOLERANCE = 1e-3
"""Largest difference of logits that rounding of equalised weights makes, in parts of the largest logit."""


@dataclass(frozen=True)
class QuantizeReport:
    """The new bundle and what became of the network.

    Args:
        bundle: the INT8 bundle.
        placement: which operators run in INT8 and why the others do not.
        int8_macs: multiply-adds of the operators in INT8, as a fraction of all.
        frames: how many frames were looked at; 0 where ranges were given.
        seconds: how long looking at them took.
        refinement: what came of refining ranges; None where that was not asked for.
    """

    bundle: Bundle
    placement: Placement
    int8_macs: float
    frames: int
    seconds: float
    refinement: Refinement | None = None


def quantize(
    bundle: Path,
    out: Path,
    recipe: QuantizeRecipe,
    data: str | None = None,
    target: str = "cpu",
    ranges: Path | None = None,
    progress: Progress | None = None,
    keep_out: FrameKeys = frozenset(),
) -> QuantizeReport:
    """Calibrate a bundle and write it with Q/DQ pairs.

    Args:
        bundle: an FP32 bundle.
        out: the bundle to write, `NAME.etc`.
        recipe: observer, calibration frames and what stays in float.
        data: the data set to calibrate on; not needed where `ranges` are given.
        target: decides on unsigned affine or signed symmetric activations, all of them or each for itself.
        ranges: a `ranges.json` to use instead of calibrating; all but the recipe's `keep_float` then says nothing, and
            what either of the two keeps in float stays there.
        progress: told what goes on.
        keep_out: frames that calibration does not look at, by name of their clip and index in it.

    Raises:
        EtcEdgeError: the bundle, the data or the ranges are missing, damaged or do not fit each other.
    """
    progress = progress or Silent()
    check_bundle_path(out)
    if out.resolve() == bundle.resolve():
        raise BundleError(f"Found {out} as the bundle to read and to write.", "Choose another --out.")
    source = _open_float(bundle)
    scheme = scheme_of(target)
    observer = OBSERVERS.load(recipe.observer)
    model = load_model(source.model_path)
    graph_hash = source.manifest.files[source.model_path.name]
    given = load_ranges(ranges, graph_hash) if ranges is not None else None
    keep_float = list(dict.fromkeys([*(given.keep_float if given is not None else ()), *recipe.keep_float]))
    placement = _placement(model, source, keep_float)
    begun, frames, refined = time.perf_counter(), 0, None
    if given is None:
        dataset, chosen = _calibration(data, recipe, keep_out)
        frames = chosen.frame_count
        size_hw = source.preprocessing.size_hw
        names = [name for name in placement.tensors if name not in placement.shared]
        factors: dict[str, list[float]] = {}
        if recipe.equalize:
            first_look = _images(dataset, chosen, size_hw, LOOK_AT)
            peaks = channel_peaks(model, names, track(progress, first_look, "equalising", min(LOOK_AT, frames)))
            factors = {name: values.tolist() for name, values in equalization_factors(model, peaks).items()}
        images = track(progress, _images(dataset, chosen, size_hw), "calibrating", frames)
        equalized = equalized_graph(model, factors)
        statistics = observe(equalized, names, images)
        chosen_ranges = choose_ranges(statistics, placement, observer, scheme)
        if target in BY_TENSOR:
            symmetric = partial(choose_ranges, statistics, placement, observer, "symmetric")
            chosen_ranges = with_signed_tensors(equalized, placement, chosen_ranges, recipe.weights, symmetric)
        corrections: dict[str, list[float]] = {}
        if recipe.bias_correction:
            seen = track(
                progress, _images(dataset, chosen, size_hw, LOOK_AT), "correcting biases", min(LOOK_AT, frames)
            )
            corrections = _corrections(equalized, placement, chosen_ranges, scheme, recipe.weights, seen)
        looked_at: dict[str, Any] = {"dataset": dataset.name, "split": chosen.split, "frames": frames}
        if recipe.refine is not None:
            pairs = read_pairs(
                remaining(dataset.clips(chosen.split), keep_out), recipe.refine.pairs, size_hw, open_flow(DEFAULT_FLOW)
            )
            corrected = _corrected(equalized, corrections, placement)
            candidates = Candidates(corrected, source.manifest.logits, placement, scheme, recipe.weights)
            refined = refine(candidates, placement, chosen_ranges, pairs, recipe.refine, progress)
            chosen_ranges = refined.ranges
            looked_at["refined"] = refined.described(recipe.refine)
        given = Ranges(
            graph=graph_hash,
            scheme=scheme,
            observer=recipe.observer,
            data=looked_at,
            keep_float=keep_float,
            equalization=factors,
            weights=recipe.weights,
            bias_correction=corrections,
            tensors=chosen_ranges,
        )
    else:
        given = msgspec.structs.replace(given, keep_float=keep_float)
        _check_factors(model, given.equalization, source)
        if target in BY_TENSOR and not any(span.scheme for span in given.tensors.values()):
            equalized = equalized_graph(model, given.equalization)
            signed = with_signed_tensors(equalized, placement, given.tensors, given.weights)
            given = msgspec.structs.replace(given, tensors=signed)
    seconds = time.perf_counter() - begun
    progress.say("writing the INT8 graph")
    corrected = _corrected(equalized_graph(model, given.equalization), given.bias_correction, placement)
    graph = quantized_graph(corrected, placement, given.tensors, scheme, given.weights)
    check_model(graph, "the quantized graph")
    quantized = to_bytes(graph)
    test_frames = source.selftest().frames
    written = write_bundle(
        out,
        BundleContents(
            name=f"{source.name}-int8" if not source.name.endswith("-int8") else source.name,
            precision="int8",
            labels=source.labels,
            preprocessing=source.preprocessing,
            logits=source.manifest.logits,
            model=quantized,
            selftest=SelfTest(test_frames, labels_of(quantized, test_frames)),
            ranges=encode_ranges(given),
            parents=(source.hash,),
            recipe={**source.manifest.recipe, "quantize": _described(recipe, given, scheme)},
        ),
    )
    return QuantizeReport(written, placement, int8_share(model, placement), frames, seconds, refined)


def scheme_of(target: str) -> Scheme:
    """The grid that a target computes on.

    Raises:
        CalibrationError: no such target; the nearest is suggested.
    """
    if target not in SCHEMES:
        raise CalibrationError(f"Found the target {target!r}.", nearest(target, list(SCHEMES)))
    return SCHEMES[target]


def int8_share(model: onnx.ModelProto, placement: Placement) -> float:
    """Multiply-adds of the operators in INT8, as a fraction of the network's."""
    view, int8 = GraphView(model), set(placement.int8_nodes)
    macs = {node.name: node_macs(view, node) for node in model.graph.node}
    return sum(macs[name] for name in int8) / max(1, sum(macs.values()))


def _open_float(path: Path) -> Bundle:
    bundle = Bundle.open(path)
    bundle.verify()
    if bundle.precision != "fp32":
        raise BundleError(
            f"Found a bundle of precision {bundle.precision} at {path}, expected fp32.",
            "Quantize the bundle that it was made from.",
        )
    return bundle


def _placement(model: onnx.ModelProto, bundle: Bundle, keep_float: list[str]) -> Placement:
    names = [node.name for node in model.graph.node]
    unknown = next((name for name in keep_float if name not in names), None)
    if unknown is not None:
        raise CalibrationError(f"Found {unknown!r} in keep_float, which is no operator.", nearest(unknown, names))
    placement = place(model, bundle.manifest.logits, frozenset(keep_float))
    if not placement.int8_nodes:
        raise CalibrationError("Found no operator that would gain from INT8 in this network.")
    return placement


def _calibration(
    data: str | None, recipe: QuantizeRecipe, keep_out: FrameKeys = frozenset()
) -> tuple[Dataset, CalibrationList]:
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


def _images(
    dataset: Dataset, chosen: CalibrationList, size_hw: tuple[int, int], at_most: int | None = None
) -> Iterator[npt.NDArray[np.uint8]]:
    """The list's frames at the network's size; `at_most` so many of them, spread over its runs."""
    if at_most is not None:
        step = max(1, len(chosen.clips) // at_most)
        chosen = msgspec.structs.replace(chosen, clips=chosen.clips[::step])
    for frame in islice(listed_frames(dataset, chosen), at_most):
        yield fit_frame(frame.image_rgb, size_hw)


def equalized_graph(model: onnx.ModelProto, factors: Mapping[str, Sequence[float]]) -> onnx.ModelProto:
    """A float graph with its channels divided by factors, as `ranges.json` keeps them."""
    return apply_factors(model, _arrays(factors))


def _arrays(factors: Mapping[str, Sequence[float]]) -> dict[str, npt.NDArray[np.float32]]:
    return {name: np.array(values, np.float32) for name, values in factors.items()}


def _corrections(
    model: onnx.ModelProto,
    placement: Placement,
    ranges: Mapping[str, TensorRange],
    scheme: Scheme,
    granularity: Granularity,
    frames: Iterable[npt.NDArray[np.uint8]],
) -> dict[str, list[float]]:
    """Corrections of biases of an equalised float graph, as ranges keep them."""
    grids = {name: span.grid(scheme) for name, span in ranges.items()}
    scales = node_weight_scales(GraphView(model), placement, grids, granularity)
    inputs = correctable(model, placement)
    means = channel_means(model, list(dict.fromkeys(inputs.values())), frames)
    return {name: values.tolist() for name, values in bias_corrections(model, scales, means).items() if name in inputs}


def _corrected(
    model: onnx.ModelProto, corrections: Mapping[str, Sequence[float]], placement: Placement
) -> onnx.ModelProto:
    """The float graph with the corrections of those operators that are quantized; in float none is due."""
    int8, view = set(placement.int8_nodes), GraphView(model)
    channels = {
        node.name: view.static_shape(node.output[0])[1] for node in model.graph.node if node.name in corrections
    }
    for name, values in corrections.items():
        expected = channels.get(name, "no such operator")
        if expected != len(values):
            raise CalibrationError(f"Found {len(values)} corrections for the bias of {name!r}, expected {expected}.")
    due = {name: np.array(values, np.float32) for name, values in corrections.items() if name in int8}
    return apply_corrections(model, due)


def _check_factors(model: onnx.ModelProto, factors: Mapping[str, Sequence[float]], source: Bundle) -> None:
    """Refuse factors that somebody edited so that the network computes something else."""
    view = GraphView(model)
    for name, values in factors.items():
        shape = view.shape(name)
        if shape is None or len(shape) != 4 or shape[1] != len(values):
            raise CalibrationError(f"Found {len(values)} equalisation factors for tensor {name!r} of shape {shape}.")
    if not factors:
        return
    logits, frame = source.manifest.logits, source.selftest().frames[:1]
    # A bound that calibration brought down to what it saw may cut what it did not see; its grid would cut it as well.
    bounded = with_divided_bounds(model, _arrays(factors))
    expected, found = (
        run_reference(to_bytes(output_logits(graph, logits)), {FRAME: frame}, [logits])[0]
        for graph in (bounded, equalized_graph(model, factors))
    )
    difference = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))
    if not difference <= EQUALIZED_TOLERANCE:
        raise CalibrationError(
            f"Found equalisation factors that change the network's logits by {difference:.1e} of the largest, "
            f"expected at most {EQUALIZED_TOLERANCE:.0e}.",
            "Factors of neighbouring tensors hang together; leave them as calibration wrote them.",
        )


def _described(recipe: QuantizeRecipe, ranges: Ranges, scheme: Scheme) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(recipe)
    described = {name: plain[name] for name in QuantizeRecipe.__struct_fields__}
    found = {"observer": ranges.observer, "weights": ranges.weights, "bias_correction": bool(ranges.bias_correction)}
    schemes = {span.scheme or scheme for span in ranges.tensors.values()}
    kind = next(iter(schemes)) if len(schemes) == 1 else "mixed"
    return {**described, **found, "data": ranges.data, "scheme": kind}
