"""Calibration: one pass over clips, a histogram a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from etc_edge.core.environment import available_cores
from etc_edge.core.errors import CalibrationError
from etc_edge.core.optional import require
from etc_edge.graph.grid import Scheme
from etc_edge.graph.load import to_bytes
from etc_edge.graph.preprocess import FRAME
from etc_edge.graph.probe import add_mean_probes, add_peak_probes, add_probes
from etc_edge.quantization.observers.observer import Observer
from etc_edge.quantization.observers.statistics import TensorStatistics
from etc_edge.quantization.placement import Placement
from etc_edge.quantization.ranges import TensorRange

SAMPLE_SIZE = 16384
"""About how many values of a tensor enter its histogram, a frame; the extremes are always exact."""


def observe(
    model: onnx.ModelProto,
    tensors: Sequence[str],
    frames: Iterable[npt.NDArray[np.uint8]],
    threads: int | None = None,
) -> dict[str, TensorStatistics]:
    """Run a deployed float graph over frames and gather the statistics of some of its tensors.

    Args:
        model: uint8 frame in, uint8 labels out.
        tensors: names of float activations.
        frames: uint8 (H, W, 3) RGB at the network's size.
        threads: of the engine; all available cores when None.

    Raises:
        CalibrationError: no frames, or a tensor that is not finite.
        DependencyError: ONNX Runtime is not installed.
    """
    probed, probes = add_probes(model, tensors, SAMPLE_SIZE)
    session = _session(probed, threads)
    wanted = [name for probe in probes for name in (probe.minimum, probe.maximum, probe.sample) if name]
    statistics = {name: TensorStatistics() for name in tensors}
    count = 0
    for frame in frames:
        values = dict(zip(wanted, session.run(wanted, {FRAME: frame[None]}), strict=True))
        for probe in probes:
            low = 0.0 if probe.minimum is None else float(values[probe.minimum])
            try:
                statistics[probe.tensor].update(low, float(values[probe.maximum]), values[probe.sample])
            except CalibrationError as error:
                raise CalibrationError(f"In tensor {probe.tensor!r}: {error.message}", error.hint) from error
        count += 1
    if count == 0:
        raise CalibrationError("Found no frames to calibrate on, expected at least one.", "Check --data.")
    return statistics


def channel_peaks(
    model: onnx.ModelProto, tensors: Sequence[str], frames: Iterable[npt.NDArray[np.uint8]], threads: int | None = None
) -> dict[str, npt.NDArray[np.float32]]:
    """The largest magnitude that each channel of some tensors reaches over frames, float32 (channels,) by name.

    Tensors without channels are left out; arguments and errors are those of `observe`.
    """
    peaks: dict[str, npt.NDArray[np.float32]] = {}
    for seen in _channel_values(*add_peak_probes(model, tensors), frames, threads):
        peaks = {name: np.maximum(peaks.get(name, values), values) for name, values in seen.items()}
    return peaks


def channel_means(
    model: onnx.ModelProto, tensors: Sequence[str], frames: Iterable[npt.NDArray[np.uint8]], threads: int | None = None
) -> dict[str, npt.NDArray[np.float64]]:
    """The mean of each channel of some tensors over frames, float64 (channels,) by name; as `channel_peaks`.

    Raises:
        CalibrationError: no frames, or a tensor that is not finite.
    """
    sums: dict[str, npt.NDArray[np.float64]] = {}
    count = 0
    for seen in _channel_values(*add_mean_probes(model, tensors), frames, threads):
        sums = {name: sums.get(name, 0.0) + values.astype(np.float64) for name, values in seen.items()}
        count += 1
    if count == 0:
        raise CalibrationError("Found no frames to correct biases on, expected at least one.", "Check --data.")
    return {name: total / count for name, total in sums.items()}


def _channel_values(
    probed: onnx.ModelProto,
    outputs: dict[str, str],
    frames: Iterable[npt.NDArray[np.uint8]],
    threads: int | None,
) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Of each frame one value a channel, by the name of the tensor that was probed."""
    session, names = _session(probed, threads), list(outputs)
    for frame in frames:
        values = session.run([outputs[name] for name in names], {FRAME: frame[None]})
        found = {name: np.asarray(value, np.float32).reshape(-1) for name, value in zip(names, values, strict=True)}
        for name, flat in found.items():
            if not np.isfinite(flat).all():
                raise CalibrationError(f"In tensor {name!r}: found values that are not finite.", "Check the weights.")
        yield found


def _session(model: onnx.ModelProto, threads: int | None) -> Any:
    ort: Any = require("onnxruntime", "onnxruntime", "calibration")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(to_bytes(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen kinds that share no useful base
        text = " ".join(str(error).split())[:300]
        raise CalibrationError(f"ONNX Runtime refused the graph with its probes: {text}.") from error


def choose_ranges(
    statistics: dict[str, TensorStatistics], placement: Placement, observer: Observer, scheme: Scheme
) -> dict[str, TensorRange]:
    """A range for every quantized tensor; tensors that pass codes through take the range of their source."""
    ranges: dict[str, TensorRange] = {}
    for name in placement.tensors:
        source = placement.shared.get(name)
        if source is not None:
            ranges[name] = ranges[source]
        else:
            low, high = observer(statistics[name], scheme)
            ranges[name] = TensorRange(float(low), float(high))
    return ranges
