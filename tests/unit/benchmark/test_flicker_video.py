"""The video of flicker: the right frames of the right clip, marked where labels flip, and a video that plays."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from etc_edge.benchmark.flicker_video import FPS, LONGEST, VIDEO, FlickerWindow
from etc_edge.benchmark.marks import LOST
from etc_edge.core.labels import LabelSet
from etc_edge.data.clip import ClipFrame
from etc_edge.metrics.motion import motion_between

SIZE_HW = 48, 64
LABELS = LabelSet(("road", "car"), ((10, 20, 30), (200, 100, 0)))
IMAGE = np.full((*SIZE_HW, 3), 90, np.uint8)
STILL = motion_between(IMAGE, IMAGE, np.zeros((*SIZE_HW, 2), np.float32))


def look(window: FlickerWindow, index: int, ours: int, theirs: int = 0) -> None:
    """Show it a frame whose first so many rows flip."""
    rows = np.arange(SIZE_HW[0])[:, None] + np.zeros(SIZE_HW, int)
    flips = [rows < theirs, rows < ours]
    window.add(ClipFrame(index, IMAGE), [one.astype(np.uint8) for one in flips], flips, STILL)


def filmed(flips: dict[str, list[tuple[int, int]]]) -> FlickerWindow:
    window = FlickerWindow(LABELS, ("FP32", "INT8"))
    for clip, counts in flips.items():
        window.begin_clip(clip)
        for index, (ours, theirs) in enumerate(counts):
            look(window, index + 1, ours, theirs)
    return window


def read(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == FPS
        assert container.streams.video[0].codec_context.name == "h264"
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_it_shows_where_the_model_flips_and_the_reference_does_not(tmp_path: Path) -> None:
    both = [(24, 24)] * 6
    late = [(0, 0)] * LONGEST + [(26, 0)] * LONGEST + [(0, 0)] * 9
    video = filmed({"both": both, "late": late}).write(tmp_path)
    assert video is not None
    assert (video.clip, video.first, video.frames) == ("late", LONGEST + 1, LONGEST)
    assert video.titles == ("FP32", "INT8")
    assert video.flips == (0, pytest.approx(26 / SIZE_HW[0]))
    frames = read(tmp_path / VIDEO)
    assert len(frames) == LONGEST
    reference, model = frames[9][SIZE_HW[0] + 4 :, :64].astype(int), frames[9][SIZE_HW[0] + 4 :, 68:].astype(int)
    red = np.array(LOST)
    # Lettering lies over the first rows, and colour has half the resolution.
    assert np.abs(model[20:24] - red).mean() < 25
    assert np.abs(model[32:] - red).mean() > 60
    assert np.abs(reference[20:24] - red).mean() > 60


def test_a_flip_is_shown_where_its_pixel_went(tmp_path: Path) -> None:
    flow = np.zeros((*SIZE_HW, 2), np.float32)
    flow[..., 0] = 20
    moved = motion_between(IMAGE, IMAGE, flow)
    window = FlickerWindow(LABELS, ("FP32", "INT8"))
    window.begin_clip("clip")
    flips = np.zeros(SIZE_HW, bool)
    flips[30:40, 20:30] = True
    for index in (1, 2):
        window.add(ClipFrame(index, IMAGE), [np.zeros(SIZE_HW, np.uint8)] * 2, [~flips & False, flips], moved)
    assert window.write(tmp_path) is not None
    shown = read(tmp_path / VIDEO)[1][SIZE_HW[0] + 4 :, 68:].astype(int)
    redness = (shown[..., 0] - shown[..., 1])[35]
    assert redness[45] > 80
    assert redness[25] < 30


def test_short_clips_and_steady_models(tmp_path: Path) -> None:
    assert filmed({"steady": [(5, 5)] * 9}).write(tmp_path) is None
    assert filmed({"a": [(5, 0)]}).write(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    short = filmed({"a": [(1, 0)] * 3, "b": [(9, 0)] * 4}).write(tmp_path)
    assert short is not None
    assert (short.clip, short.first, short.frames) == ("b", 1, 4)
