"""Who takes part in a comparison: FP32, our INT8 and other quantizers' INT8, from one graph and the same frames."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from etc_edge.backends.table import CPU_BACKENDS
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, EtcEdgeError
from etc_edge.core.progress import Progress
from etc_edge.data.dataset import open_dataset
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.stages.quantize import quantize
from measuring.calibration_frames import listed, save_frames
from measuring.contender import Contender, from_bundle, from_graph
from measuring.peers import PEERS, quantize_with

OURS = "etc-edge"
# Packages of peers that our own versions do not name.
OTHERS = ("nncf", "modelopt")


@dataclass
class Quantized:
    """What everyone made of an FP32 bundle.

    Args:
        ours: our INT8 bundle.
        frames: how many frames everyone looked at.
        graphs: peers' graphs by name.
        seconds: what quantizing took, by maker.
        peak_memory_bytes: of the peers' processes.
        versions: of the peers' packages that we do not use ourselves.
        notes: who was left out, and why.
    """

    ours: Bundle
    frames: int
    graphs: dict[str, Path] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def quantize_all(
    fp32: Bundle, recipe: QuantizeRecipe, data: str, peers: list[str], work: Path, progress: Progress
) -> Quantized:
    """Quantize with etc-edge and with each peer; a peer that fails is left out and noted.

    Args:
        fp32: what all start from.
        recipe: ours; its frames are everyone's.
        data: the data set to calibrate on.
        peers: rows of PEERS.
        work: an existing folder.
        progress: told what goes on.
    """
    dataset, frames = open_dataset(data), work / "frames.npy"
    begun = time.perf_counter()
    ours = quantize(fp32.path, work / f"{fp32.name}-int8.etc", recipe, data, progress=progress).bundle
    seconds = time.perf_counter() - begun
    count = save_frames(dataset, listed(dataset, recipe), fp32.preprocessing.size_hw, frames)
    made = Quantized(ours, count, seconds={OURS: seconds})
    for name in peers:
        try:
            found = quantize_with(name, fp32.model_path, frames, work, progress)
        except EtcEdgeError as error:
            made.notes.append(f"{name} is left out. {error.message}")
            continue
        made.graphs[name], made.seconds[name] = found.graph, found.seconds
        made.peak_memory_bytes[name] = found.peak_memory_bytes
        made.versions |= {package: version for package, version in found.versions.items() if package in OTHERS}
    return made


def load_all(
    fp32: Bundle, int8: Bundle, made: Quantized, threads: int, work: Path, progress: Progress
) -> list[Contender]:
    """Every network on its engine, FP32 and ours on each; what does not load is left out and noted.

    Raises:
        BundleError: no engine runs FP32, or none runs ours.
    """
    contenders: list[Contender] = []
    for bundle, maker in ((fp32, "fp32"), (int8, OURS)):
        for backend in CPU_BACKENDS:
            try:
                contenders.append(from_bundle(bundle, backend, maker, threads, progress))
            except EtcEdgeError as error:
                made.notes.append(f"{bundle.name} on {backend} is left out. {error.message}")
    if {contender.maker for contender in contenders} != {"fp32", OURS}:
        raise BundleError("Found no engine that runs both bundles here.", " ".join(made.notes))
    for name, graph in made.graphs.items():
        try:
            contenders.append(from_graph(graph, PEERS[name].backend, name, threads, work))
        except EtcEdgeError as error:
            made.notes.append(f"{name} is left out. {error.message}")
    return contenders
