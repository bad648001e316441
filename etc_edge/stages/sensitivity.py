"""What each quantized group of a network costs: measured side by side, kept as it goes, resumed."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from etc_edge.backends.cache import cache_folder
from etc_edge.backends.device import cpu_device
from etc_edge.core.bundle import Bundle
from etc_edge.core.environment import available_cores, device, versions
from etc_edge.core.errors import CalibrationError
from etc_edge.core.hashing import sha256_bytes
from etc_edge.core.progress import Progress, Silent
from etc_edge.core.sensitivity import GroupCost, MeasuredGroup, Sensitivity
from etc_edge.data.dataset import open_dataset
from etc_edge.data.neighbours import pick_neighbours, remaining
from etc_edge.data.sampling import FrameKeys
from etc_edge.flow.base import open_flow
from etc_edge.graph.load import load_model
from etc_edge.metrics.examination import prepare
from etc_edge.quantization.groups import groups_of
from etc_edge.quantization.placement import place
from etc_edge.quantization.prepared_graph import equalized_graph
from etc_edge.quantization.ranges import Ranges, load_ranges
from etc_edge.quantization.recipe import QuantizeRecipe
from etc_edge.quantization.sensitivity import WHOLE, Network, Variant, costs
from etc_edge.stages.evaluate import DEFAULT_FLOW, check_classes
from etc_edge.stages.quantize import quantize

BLOCKS = 30
"""Runs of neighbours that the frames are spread over."""


def sensitivity(
    bundle: Path,
    data: str,
    recipe: QuantizeRecipe,
    split: str = "train",
    frames: int = 60,
    target: str = "cpu",
    ranges: Path | None = None,
    processes: int | None = None,
    keep_out: FrameKeys = frozenset(),
    again: bool = False,
    progress: Progress | None = None,
) -> Sensitivity:
    """Measure what every group costs by itself, in ONNX Runtime.

    What is measured is kept in the user's cache group by group, and not measured again for the same network, ranges,
    frames, processor and versions.

    Args:
        bundle: an FP32 bundle.
        data: a data set.
        recipe: how it is calibrated, where no ranges are given.
        split: where frames are taken from.
        frames: how many; a still counts twice, with its moved copy.
        target: decides on the grid, as for `quantize`.
        ranges: a `ranges.json` to use instead of calibrating.
        processes: that work side by side; None takes one a core.
        keep_out: frames that are not looked at.
        again: measure anew what is remembered.
        progress: told what goes on.

    Raises:
        EtcEdgeError: the bundle, the data or the ranges do not fit each other.
    """
    progress = progress or Silent()
    source, dataset = Bundle.open(bundle), open_dataset(data)
    check_classes(source.labels, dataset, progress)
    with tempfile.TemporaryDirectory() as folder:
        made = quantize(bundle, Path(folder, "int8.etc"), recipe, data, target, ranges, progress, keep_out).bundle
        assert made.ranges_path is not None
        found = load_ranges(made.ranges_path, source.manifest.files[source.model_path.name])
        described = made.manifest.recipe["quantize"]
    model, logits = equalized_graph(load_model(source.model_path), found.equalization), source.manifest.logits
    groups = groups_of(model, place(model, logits, frozenset(found.keep_float)), logits)
    clips = remaining(dataset.clips(split), keep_out)
    if not clips:
        raise CalibrationError("Found no frame beside those that are held back, expected at least one.")
    stills = all(len(clip) == 1 for clip in clips)
    # A run has two frames at least where clips are long enough; a still and its copy are as many.
    picked, _ = pick_neighbours(clips, max(1, frames // 2) if stills else frames, min(BLOCKS, max(1, frames // 2)))
    progress.say("reading frames")
    examination = prepare(picked, dataset.label_set, open_flow(DEFAULT_FLOW))
    variants = [Variant(group.name, frozenset(group.nodes)) for group in groups]
    variants.append(Variant(WHOLE, frozenset(name for group in groups for name in group.nodes)))
    key = _key(source, found, dataset.name, [[clip.name, len(clip)] for clip in picked])
    journal = _Journal(cache_folder() / "sensitivity" / f"{key}.jsonl", again)
    left = [variant for variant in variants if variant.name not in journal.known]
    if len(left) < len(variants):
        progress.say(f"{len(variants) - len(left)} of {len(variants)} groups are known from {journal.path}")
    begun = time.perf_counter()
    network = Network(model, logits, source.preprocessing.size_hw, found)
    with progress.task("measuring groups", len(left)) as task:
        for cost in costs(network, left, examination, min(processes or available_cores(), max(1, len(left)))):
            journal.add(cost)
            task.advance()
    return Sensitivity(
        bundle={"name": source.name, "sha256": source.hash},
        quantize=described,
        data={"name": dataset.name, "split": split, "frames": len(examination.shots)},
        groups=[
            MeasuredGroup(nodes=group.nodes, macs=group.macs, saved=group.saved, cost=journal.known[group.name])
            for group in groups
        ],
        whole=journal.known[WHOLE],
        seconds=time.perf_counter() - begun,
        device=device(),
        versions=versions(),
    )


def _key(source: Bundle, ranges: Ranges, dataset: str, clips: list[list[Any]]) -> str:
    packages: Mapping[str, str] = versions()
    parts = [source.hash, ranges, dataset, clips, cpu_device(), packages.get("onnxruntime"), packages.get("etc-edge")]
    return sha256_bytes(msgspec.json.encode(parts))[:24]


class _Journal:
    """A line a group; one that was cut off by an interruption is not counted."""

    def __init__(self, path: Path, again: bool) -> None:
        self.path, self.known = path, dict[str, GroupCost]()
        if again:
            path.unlink(missing_ok=True)
        lines = path.read_bytes().splitlines() if path.is_file() else []
        for line in lines:
            try:
                cost = msgspec.json.decode(line, type=GroupCost)
            except msgspec.DecodeError:
                continue
            self.known[cost.name] = cost

    def add(self, cost: GroupCost) -> None:
        """Keep a cost."""
        self.known[cost.name] = cost
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            # A line that was cut off gets an end of its own.
            file.write((b"\n" if file.tell() else b"") + msgspec.json.encode(cost))
