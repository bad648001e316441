"""Thousands of frames through decoding, a real engine and real outputs: memory and threads stay as they were."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import numpy as np
import psutil
import pytest

from etc_edge.frames.frame import Frame
from etc_edge.frames.jsonl_sink import JsonlSink
from etc_edge.frames.overlay import Overlay
from etc_edge.frames.video_sink import VideoSink
from etc_edge.runtime.pipeline import Pipeline
from etc_edge.runtime.segmenter import Segmenter
from tests.tiny_bundle import LABELS, color_frame, write_tiny_bundle

WARM_UP, FRAMES = 1000, 5000


class Bars:
    """Coloured bars, a new array every frame, as a decoder gives them."""

    name = "bars"
    size_hw = (64, 96)
    fps = Fraction(30)
    frame_count: int | None = None
    live = False

    def __iter__(self) -> Iterator[Frame]:
        pictures = [color_frame(seed, self.size_hw) for seed in range(10)]
        for index in range(WARM_UP + FRAMES):
            yield Frame(np.copy(pictures[index % 10]), index, index / 30)

    def close(self) -> None:
        """See Source."""

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def resident_bytes() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_memory_is_flat_over_thousands_of_frames(tmp_path: Path, backend: str) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with (
        Segmenter.load(bundle, backend, threads=1) as segmenter,
        VideoSink(tmp_path / "out.mp4", Fraction(30), Overlay(LABELS)) as video,
        JsonlSink(tmp_path / "out.jsonl", LABELS) as lines,
    ):
        before = 0
        for result in Pipeline(Bars(), segmenter.segment, {"video": video, "json": lines}):
            if result.index == WARM_UP:
                before = resident_bytes()
        growth = resident_bytes() - before
    assert video.frames == WARM_UP + FRAMES
    assert growth < 5_000_000
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files
