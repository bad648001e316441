"""What a TensorRT build of a bundle will be, without TensorRT: its chains, its types and, on data, its figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from etc_edge.backends.onnxruntime.tensorrt_numerics import NUMERICS
from etc_edge.core.atomic import atomic_file
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.results import Results
from etc_edge.graph.calibration_cache import calibration_cache
from etc_edge.graph.int8_chains import ChainReport, int8_chains
from etc_edge.graph.load import load_model, to_bytes
from etc_edge.graph.magnitudes import seen_magnitudes
from etc_edge.graph.tensorrt import TensorRtPrecision, lower_for_tensorrt
from etc_edge.graph.view import GraphView
from etc_edge.stages.evaluate import evaluate


@dataclass(frozen=True)
class DryRun:
    """A build that was thought through.

    Args:
        bundle: of what.
        precision: of what is quantized, or of everything.
        chains: what multiplies in 8 bits and what does not; None of an FP16 or FP32 build.
        float32_nodes: operators kept in FP32 because FP16 overflows, with the reason.
        results: figures of the numbers that TensorRT will compute, run by ONNX Runtime; None without data. Their
            latencies are those of the simulation and say nothing of a device.
    """

    bundle: Bundle
    precision: TensorRtPrecision
    chains: ChainReport | None
    float32_nodes: dict[str, str]
    results: Results | None


def dry_run(
    path: Path,
    precision: TensorRtPrecision | None = None,
    data: str | None = None,
    split: str = "val",
    frames: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> DryRun:
    """Lower a bundle for TensorRT, follow its INT8 chains, and measure what the engine will compute.

    Args:
        path: the bundle's folder.
        precision: None takes INT8 of an INT8 bundle and FP16 of a float one.
        data: labelled clips to measure on; None measures nothing.
        split: of the data.
        frames: stop after so many; None takes all.
        threads: processor threads of one inference.
        progress: told what goes on.

    Raises:
        EtcEdgeError: the bundle is missing or changed, or cannot be built in this precision.
    """
    progress = progress or Silent()
    bundle = Bundle.open(path)
    bundle.verify()
    chosen: TensorRtPrecision = precision or ("int8" if bundle.precision == "int8" else "fp16")
    lowered = lower_for_tensorrt(load_model(bundle.model_path), chosen)
    chains = int8_chains(lowered.model) if chosen in ("int8", "fp8") else None
    results = None
    if data is not None:
        results = evaluate(path, data, split, None, NUMERICS[chosen], None, threads, frames, progress)
    return DryRun(bundle, chosen, chains, dict(lowered.float32_nodes), results)


def write_calibration_cache(bundle: Path, out: Path, tensorrt_version: str) -> int:
    """Write an INT8 bundle's ranges for `trtexec --calib`; returns how many tensors there are.

    It goes with the bundle's graph without pairs, which `write_float_graph` writes.

    Raises:
        EtcEdgeError: no INT8 bundle, a TensorRT without calibrator, or the file cannot be written.
    """
    opened = Bundle.open(bundle)
    opened.verify()
    if opened.precision != "int8":
        raise CompileError(
            f"Found a bundle of precision {opened.precision} at {bundle}, expected int8: it holds no ranges.",
            "Quantize it first: etc-edge quantize",
        )
    magnitudes = seen_magnitudes(GraphView(load_model(opened.model_path)))
    text = calibration_cache(magnitudes, tensorrt_version)
    with atomic_file(out) as temporary:
        temporary.write_bytes(text)
    return len(magnitudes)


def write_float_graph(bundle: Path, out: Path) -> None:
    """Write the ONNX graph of a bundle without pairs: what `trtexec --onnx` takes beside a calibration cache.

    Raises:
        EtcEdgeError: the bundle is damaged, or the file cannot be written.
    """
    opened = Bundle.open(bundle)
    opened.verify()
    lowered = lower_for_tensorrt(load_model(opened.model_path), "fp32")
    with atomic_file(out) as temporary:
        temporary.write_bytes(to_bytes(lowered.model))
