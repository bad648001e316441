"""Who takes part in a comparison: FP32, our INT8 and other quantizers' INT8, from one graph and the same frames."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from etc_edge.backends.table import CPU_BACKENDS
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, EtcEdgeError
from etc_edge.core.progress import Progress
from etc_edge.data.dataset import open_dataset
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.stages.quantize import quantize
from measuring.calibration_frames import held_back, listed, save_frames
from measuring.contender import Contender, from_bundle, from_graph
from measuring.peers import PEERS, quantize_with

OURS, TUNED = "etc-edge", "etc-edge fine-tuned"
JUDGED_FRAMES = 100
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
    chosen, judged = listed(dataset, recipe), None
    begun = time.perf_counter()
    ours = quantize(fp32.path, work / f"{fp32.name}-int8.etc", recipe, data, progress=progress).bundle
    seconds = time.perf_counter() - begun
    count = save_frames(dataset, chosen, fp32.preprocessing.size_hw, frames)
    if any(PEERS[name].judges for name in peers):
        others = held_back(dataset, chosen, JUDGED_FRAMES)
        if others is not None:
            judged = work / "judged.npy"
            save_frames(dataset, others, fp32.preprocessing.size_hw, judged)
    made = Quantized(ours, count, seconds={OURS: seconds})
    for name in peers:
        try:
            found = quantize_with(name, fp32.model_path, frames, judged, work, progress)
        except EtcEdgeError as error:
            made.notes.append(f"{name} is left out. {error.message}")
            continue
        made.graphs[name], made.seconds[name] = found.graph, found.seconds
        made.peak_memory_bytes[name] = found.peak_memory_bytes
        made.versions |= {package: version for package, version in found.versions.items() if package in OTHERS}
    return made


def add_tuned(made: Quantized, tuned: Bundle) -> None:
    """Note how long a fine-tuned bundle took: calibrating it, as ours took now, and what its manifest says."""
    noted = tuned.manifest.results.get("finetune", {}).get("seconds")
    if noted is None:
        made.notes.append(f"{tuned.name} does not say how long its fine-tuning took")
    else:
        made.seconds[TUNED] = made.seconds[OURS] + noted


def load_all(
    bundles: Mapping[str, Bundle], made: Quantized, threads: int, work: Path, progress: Progress
) -> list[Contender]:
    """Every network on its engine, those of bundles on each; what does not load is left out and noted.

    Args:
        bundles: FP32 and ours, by maker: `fp32` first, OURS, and TUNED where there is one.
        made: the peers' graphs; gets the notes.
        threads: of one inference.
        work: an existing folder.
        progress: told what goes on.

    Raises:
        BundleError: no engine runs FP32, or none runs ours.
    """
    contenders: list[Contender] = []
    for maker, bundle in bundles.items():
        for backend in CPU_BACKENDS:
            try:
                contenders.append(from_bundle(bundle, backend, maker, threads, progress))
            except EtcEdgeError as error:
                made.notes.append(f"{bundle.name} on {backend} is left out. {error.message}")
    missing = bundles.keys() - {contender.maker for contender in contenders}
    if missing:
        raise BundleError(f"Found no engine that runs {', '.join(sorted(missing))} here.", " ".join(made.notes))
    for name, graph in made.graphs.items():
        try:
            contenders.append(from_graph(graph, PEERS[name].backend, name, threads, work))
        except EtcEdgeError as error:
            made.notes.append(f"{name} is left out. {error.message}")
    return contenders
