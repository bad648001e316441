"""From an FP32 bundle to an INT8 bundle."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle, BundleContents, SelfTest, check_bundle_path, write_bundle
from etc_edge.core.errors import BundleError, CalibrationError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.table import nearest
from etc_edge.data.sampling import (
    FrameKeys,
)
from etc_edge.graph.bounds import with_divided_bounds
from etc_edge.graph.grid import Scheme
from etc_edge.graph.heads import output_logits
from etc_edge.graph.load import check_model, load_model, to_bytes
from etc_edge.graph.operations import node_macs
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.view import GraphView
from etc_edge.quantization.placement import Placement, place
from etc_edge.quantization.prepared_graph import corrected_graph, equalized_graph, factor_arrays
from etc_edge.quantization.quantize import quantized_graph
from etc_edge.quantization.ranges import Ranges, TensorRange, encode_ranges, load_ranges
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.quantization.refinement import Refinement
from etc_edge.quantization.signed_tensors import with_signed_tensors
from etc_edge.stages.calibration import Calibrated, Calibration
from etc_edge.stages.export import labels_of

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
    model = load_model(source.model_path)
    graph_hash = source.manifest.files[source.model_path.name]
    given = load_ranges(ranges, graph_hash) if ranges is not None else None
    keep_float = list(dict.fromkeys([*(given.keep_float if given is not None else ()), *recipe.keep_float]))
    placement = _placement(model, source, keep_float)
    begun = time.perf_counter()
    calibrated: Calibrated | None = None
    if given is None:
        work = Calibration(source, model, placement, keep_float, recipe, scheme, target in BY_TENSOR, progress)
        calibrated = work.on(data, keep_out)
        given = calibrated.ranges
    else:
        given = _fitted(given, model, source, placement, keep_float, target)
    seconds = time.perf_counter() - begun
    progress.say("writing the INT8 graph")
    corrected = corrected_graph(equalized_graph(model, given.equalization), given.bias_correction, placement)
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
    frames, refined = (0, None) if calibrated is None else (calibrated.frames, calibrated.refinement)
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


def _fitted(
    given: Ranges, model: onnx.ModelProto, source: Bundle, placement: Placement, keep_float: list[str], target: str
) -> Ranges:
    """Ranges that somebody gave, checked, with what stays in float and the grids of the target."""
    _check_factors(model, given.equalization, source)
    tensors: Mapping[str, TensorRange] = given.tensors
    if target in BY_TENSOR and not any(span.scheme for span in tensors.values()):
        equalized = equalized_graph(model, given.equalization)
        tensors = with_signed_tensors(equalized, placement, given.tensors, given.weights)
    return msgspec.structs.replace(given, keep_float=keep_float, tensors=tensors)


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
    bounded = with_divided_bounds(model, factor_arrays(factors))
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
