"""A second model beside a run: real processes, with real engines."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Condition

import numpy as np
import pytest

from etc_edge.core.errors import BundleError, PreviewError
from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.runtime.preview.shadow import Shadow
from etc_edge.runtime.preview.view import View
from etc_edge.runtime.segmenter import Segmenter
from tests.shown_run import result
from tests.tiny_bundle import LABELS, write_tiny_bundle

BACKEND = "onnxruntime"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc").path
    Segmenter.load(path, BACKEND, threads=1).close()
    return path


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_finds_how_many_pixels_differ_and_its_death_stops_nothing(bundle: Path) -> None:
    view = View(0, "door", LABELS, Condition())
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        frames = [result(index) for index in range(4)]
        labels = [segmenter(one.frame.image_rgb) for one in frames]
    with closing(Shadow(bundle, LABELS, BACKEND, every=2, share=1.0)) as shadow:
        assert (shadow.name, shadow.every) == ("colors", 2)
        shadow.offer(view, SegmentedFrame(frames[1].frame, labels[1], 1.0))
        shadow.offer(view, SegmentedFrame(frames[0].frame, labels[0], 1.0))
        until(lambda: view.compared == 1)
        assert view.disagreement == 0
        changed = labels[2].copy()
        changed[: len(changed) // 4] = (changed[: len(changed) // 4] + 1) % 3
        shadow.offer(view, SegmentedFrame(frames[2].frame, changed, 1.0))
        until(lambda: view.compared == 2)
        # The mean of none and of a quarter.
        assert view.disagreement == pytest.approx(0.125)

        os.kill(shadow._child._process.pid, signal.SIGKILL)
        shadow.offer(view, frames[0])
        until(lambda: shadow.failure is not None)
        assert "ended with code -9" in str(shadow.failure)
        shadow.offer(view, frames[0])
        assert view.compared == 2
    shadow.close()


def test_models_of_other_classes_cannot_be_compared(bundle: Path) -> None:
    other = LabelSet(("red", "green", "violet"), LABELS.colors_rgb)
    with pytest.raises(PreviewError, match="classes red, green, blue in the shadow model colors"):
        Shadow(bundle, other, BACKEND)


def test_a_model_that_is_not_there_is_refused_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nothing.etc"):
        Shadow(tmp_path / "nothing.etc", LABELS, BACKEND)


def test_labels_come_back_as_the_engine_makes_them(bundle: Path) -> None:
    view = View(0, "door", LABELS, Condition())
    with Segmenter.load(bundle, BACKEND, threads=1) as segmenter:
        odd = result(5, (97, 145))
        labels = segmenter(odd.frame.image_rgb)
    assert len(np.unique(labels)) > 1
    with closing(Shadow(bundle, LABELS, BACKEND, every=5, share=1.0)) as shadow:
        shadow.offer(view, SegmentedFrame(odd.frame, labels, 1.0))
        until(lambda: view.compared == 1)
    assert view.disagreement == 0
