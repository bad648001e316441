"""What every sink that writes files does: one abstract test, one subclass a sink."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from threading import Thread

import av
import cv2
import pytest

from etc_edge.core.errors import SinkError
from etc_edge.core.labels import LabelSet
from etc_edge.frames.jsonl_sink import JsonlSink
from etc_edge.frames.label_sink import LabelSink
from etc_edge.frames.overlay import Overlay
from etc_edge.frames.sink import Sink
from etc_edge.frames.video_sink import VideoSink
from tests.moving_square import result

LABELS = LabelSet(("ramp", "square"), ((20, 60, 200), (230, 180, 20)))


class SinkContract:
    """Hold a sink to the protocol."""

    name: str

    def open(self, path: Path) -> Sink:
        raise NotImplementedError

    def frames_in(self, path: Path) -> int:
        """How many frames a reader of the output finds."""
        raise NotImplementedError

    def write(self, sink: Sink, frames: int) -> None:
        for index in range(frames):
            sink.write(result(index))

    def write_and_raise(self, folder: Path, error: BaseException) -> None:
        with self.open(folder / self.name) as sink:
            self.write(sink, 3)
            raise error

    def test_closing_finishes(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "down" / self.name
        with self.open(path) as sink:
            self.write(sink, 7)
        assert self.frames_in(path) == 7
        assert [entry.name for entry in path.parent.iterdir()] == [self.name]
        sink.close()
        sink.abort()
        assert self.frames_in(path) == 7

    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="network"):
            self.write_and_raise(tmp_path, RuntimeError("the network failed"))
        assert list(tmp_path.iterdir()) == []

    def test_ctrl_c_finishes_what_was_written(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.write_and_raise(tmp_path, KeyboardInterrupt())
        assert self.frames_in(tmp_path / self.name) == 3

    def test_works_in_a_thread_of_its_own(self, tmp_path: Path) -> None:
        with self.open(tmp_path / self.name) as sink:
            thread = Thread(target=self.write, args=(sink, 4))
            thread.start()
            thread.join()
        assert self.frames_in(tmp_path / self.name) == 4

    def test_a_place_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(SinkError), self.open(tmp_path / "file" / self.name) as sink:
            self.write(sink, 1)
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


class TestVideo(SinkContract):
    name = "out.mp4"

    def open(self, path: Path) -> Sink:
        return VideoSink(path, Fraction(25), Overlay(LABELS))

    def frames_in(self, path: Path) -> int:
        with av.open(str(path)) as container:
            return sum(1 for _ in container.decode(video=0))


class TestLabels(SinkContract):
    name = "labels"

    def open(self, path: Path) -> Sink:
        return LabelSink(path)

    def frames_in(self, path: Path) -> int:
        assert all(cv2.imread(str(file), cv2.IMREAD_UNCHANGED).ndim == 2 for file in path.iterdir())
        return sum(1 for _ in path.iterdir())


class TestJsonl(SinkContract):
    name = "out.jsonl"

    def open(self, path: Path) -> Sink:
        return JsonlSink(path, LABELS)

    def frames_in(self, path: Path) -> int:
        return len(path.read_text().splitlines())
