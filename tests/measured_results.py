"""Results with counts of every frame, made from drawn labels instead of a network."""

from __future__ import annotations

import numpy as np
from msgspec import UNSET

from etc_edge.core.results import Data, Latency, Model, Results, Temporal
from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.metrics.intervals import figure_intervals
from etc_edge.metrics.latency import latency
from etc_edge.metrics.samples import FrameSamples, SampleRecorder
from etc_edge.stages.evaluate import with_reference

CLASSES = ("road", "car", "traffic light")


def measured(
    name: str = "street-int8",
    precision: str = "int8",
    wrong: float = 0.2,
    speed_ms: float = 10.0,
    seed: int = 1,
    clips: tuple[int, ...] = (30, 30),
    reference: Results | None = None,
) -> Results:
    """A model that gets a share of the pixels wrong and takes about so many milliseconds.

    Scenes are hard or easy for every model alike: they depend on nothing but their number.
    """
    scenes, model = np.random.default_rng(0), np.random.default_rng(seed)
    recorder, matrix = SampleRecorder(CLASSES), ConfusionMatrix(len(CLASSES))
    changed = 0
    for clip, frames in enumerate(clips):
        recorder.begin_clip(f"clip-{clip}")
        for index in range(frames):
            truth = scenes.choice(3, 1500, p=[0.7, 0.2, 0.1]).astype(np.uint8)
            hit = model.random(1500) < wrong * scenes.uniform(0.5, 1.5)
            added = matrix.update(np.where(hit, (truth + 1) % 3, truth).astype(np.uint8), truth)
            flips = int(hit.sum()) // 4
            changed += flips if index else 0
            neighbours = (added, (flips, 1500)) if index else (None, None)
            recorder.add(speed_ms * float(model.lognormal(0, 0.05)), added, *neighbours)
    samples = recorder.samples()
    unpacked = FrameSamples.of(samples)
    total: Latency = latency(unpacked.latency_ms.tolist())
    pairs = sum(clips) - len(clips)
    results = Results(
        bundle=Model(name=name, sha256=name, precision=precision, model_bytes=1000, target="onnxruntime", threads=2),
        data=Data(name="street", split="val", frames=sum(clips), clips=len(clips), labelled_frames=sum(clips)),
        device={"cpu": "a processor", "cores": 2},
        versions={"etc-edge": "0", "onnxruntime": "1"},
        accuracy=matrix.compute(CLASSES),
        temporal=Temporal(flow="exact", tc=0.8 - wrong / 4, tc_etc=0.7, flicker=changed / (1500 * max(1, pairs))),
        latency_ms=total,
        stages_ms={"infer": total},
        throughput_fps=1e3 / total.mean,
        intervals=figure_intervals(unpacked) or UNSET,
        samples=samples,
    )
    return results if reference is None else with_reference(results, reference)


def fp32(wrong: float = 0.18, speed_ms: float = 20.0) -> Results:
    """A reference."""
    return measured("street", "fp32", wrong, speed_ms, seed=0)
