"""Any GStreamer pipeline as a source, and with it the CSI cameras of a Jetson; through PyGObject."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DependencyError, SourceError
from etc_edge.core.optional import require
from etc_edge.frames.frame import Frame
from etc_edge.frames.live_source import LEAST_PAUSE_S, SILENCE_S, Gone, LiveSource, Picture
from etc_edge.frames.settings import rate_setting, size_setting, split_settings
from etc_edge.frames.source import ASSUMED_FPS, path_of

UInt8 = npt.NDArray[np.uint8]

# What a pipeline is given as its end: pictures as we take them.
END = "videoconvert ! video/x-raw,format=RGB ! appsink name=etc_edge sync=false"
# How many frames of what is not live may wait; of what is live only the newest does.
FRAMES_WAITING = 4

# Argus takes what its sensor offers nearest to these; frames leave the GPU's memory as BGRx, the only way out of it.
CSI = (
    "nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),width={width},height={height},framerate={fps} ! "
    "nvvidconv flip-method={flip} ! video/x-raw,format=BGRx"
)
CSI_SETTINGS = ("size", "fps", "flip")
CSI_SIZE_HW, CSI_FPS = (720, 1280), Fraction(30)

PACKAGES = (
    "On Debian, Ubuntu and JetPack: apt install python3-gi gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good, and "
    "make the environment with --system-site-packages from the system's own Python."
)
TRY = "Try it with gst-launch-1.0 and a sink at its end, such as fakesink."

# How long one look for a frame lasts; closing takes as long at most.
LOOK_S = 0.1


class GStreamerSource(LiveSource):
    """Frames of a pipeline. One that is live is started again when it fails; one of files loses no frame and ends.

    Timestamps are those of its buffers.

    Args:
        name: what to call it.
        pipeline: as gst-launch takes it, without a sink.
        silence_s: how long it may give nothing before it counts as gone.
        least_pause_s, told: see LiveSource.

    Raises:
        DependencyError: PyGObject or GStreamer is not installed.
        SourceError: there is no such pipeline, or it gives no frame.
    """

    def __init__(
        self,
        name: str,
        pipeline: str,
        silence_s: float = SILENCE_S,
        least_pause_s: float = LEAST_PAUSE_S,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self._gst, self._glib = load_gstreamer()
        self._pipeline, self._silence_s = pipeline, silence_s
        self._is_live = True
        super().__init__(name, least_pause_s, told, TRY)
        self.live = self._is_live
        if not self.live:
            self._pictures.close()

    def __iter__(self) -> Iterator[Frame]:
        return super().__iter__() if self.live else self._once()

    def _once(self) -> Iterator[Frame]:
        begun_s, last_s, index = None, 0.0, 0
        try:
            for image, time_s in self._connect():
                at_s = float(index / (self.fps or ASSUMED_FPS)) if time_s is None else time_s
                begun_s = at_s if begun_s is None else begun_s
                last_s = max(last_s, at_s - begun_s)
                yield Frame(image, index, last_s)
                index += 1
        except Gone as gone:
            raise SourceError(f"Found an error in {self.name} after {index} frames: {gone}.", TRY) from gone

    def _connect(self) -> Generator[Picture, None, None]:
        with self._playing() as (bus, sink):
            silent_since = time.monotonic()
            while not self._closed.is_set():
                sample = sink.emit("try-pull-sample", round(LOOK_S * self._gst.SECOND))
                if sample is not None:
                    yield self._picture(sample)
                    silent_since = time.monotonic()
                    continue
                self._look_for_errors(bus)
                if sink.get_property("eos"):
                    return
                if time.monotonic() - silent_since > self._silence_s:
                    raise Gone(f"it gave nothing for {self._silence_s:g} s")

    @contextmanager
    def _playing(self) -> Iterator[tuple[Any, Any]]:
        """The bus and the last element of a pipeline that plays."""
        gst = self._gst
        try:
            pipeline = gst.parse_launch(f"{self._pipeline} ! {END}")
        except self._glib.Error as error:
            raise Gone(error.message.rstrip(".")) from error
        bus, sink = pipeline.get_bus(), pipeline.get_by_name("etc_edge")
        try:
            change = pipeline.set_state(gst.State.PAUSED)
            # What is live has nothing to show before it plays.
            self._is_live = change == gst.StateChangeReturn.NO_PREROLL
            sink.set_property("drop", self._is_live)
            sink.set_property("max-buffers", 1 if self._is_live else FRAMES_WAITING)
            pipeline.set_state(gst.State.PLAYING)
            yield bus, sink
        finally:
            pipeline.set_state(gst.State.NULL)

    def _picture(self, sample: Any) -> Picture:
        shape, buffer = sample.get_caps().get_structure(0), sample.get_buffer()
        width, height = shape.get_value("width"), shape.get_value("height")
        found, numerator, denominator = shape.get_fraction("framerate")
        if found and numerator:
            self.fps = self.fps or Fraction(numerator, denominator)
        # Rows are padded to whole words.
        rows = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8).reshape(height, -1)
        image: UInt8 = np.ascontiguousarray(rows[:, : 3 * width]).reshape(height, width, 3)
        known = buffer.pts != self._gst.CLOCK_TIME_NONE
        return image, buffer.pts / self._gst.SECOND if known else None

    def _look_for_errors(self, bus: Any) -> None:
        message = bus.pop_filtered(self._gst.MessageType.ERROR)
        if message is not None:
            error, _ = message.parse_error()
            raise Gone(f"{message.src.get_name()}: {error.message.rstrip('.')}")


def load_gstreamer() -> tuple[Any, Any]:
    """GStreamer and GLib, as PyGObject gives them.

    Raises:
        DependencyError: one of them is not installed.
    """
    purpose = "a GStreamer pipeline"
    try:
        require("gi", "gstreamer", purpose).require_version("Gst", "1.0")
        gst, glib = (require(f"gi.repository.{name}", "gstreamer", purpose) for name in ("Gst", "GLib"))
    except DependencyError as error:
        raise DependencyError(error.message, PACKAGES) from error
    except ValueError as error:
        raise DependencyError(f"Found PyGObject without GStreamer: {error}.", PACKAGES) from error
    gst.init(None)
    return gst, glib


def open_pipeline(spec: str) -> GStreamerSource:
    """Open `gst://videotestsrc num-buffers=100 ! video/x-raw,width=640`: a pipeline without its sink.

    Raises:
        DependencyError: PyGObject or GStreamer is not installed.
        SourceError: there is no such pipeline, or it gives no frame.
    """
    pipeline = path_of(spec, "gst").removeprefix("//").strip().rstrip("!").strip()
    if not pipeline:
        raise SourceError(f"Found {spec!r}, expected a pipeline behind gst://.", "Try gst://videotestsrc.")
    return GStreamerSource(f"gst://{pipeline}", pipeline)


def open_csi(spec: str) -> GStreamerSource:
    """Open a CSI camera of a Jetson, `csi://0?size=720x1280&fps=30&flip=2`; `flip` as nvvidconv's `flip-method`.

    Raises:
        DependencyError: PyGObject or GStreamer is not installed.
        SourceError: it is not there, or a setting is unknown.
    """
    name, settings = split_settings(spec, CSI_SETTINGS)
    return GStreamerSource(name, csi_pipeline(name, settings))


def csi_pipeline(name: str, settings: dict[str, str]) -> str:
    """The pipeline of a CSI camera.

    Raises:
        SourceError: no sensor's number, or a setting out of its range.
    """
    sensor, flip = path_of(name, "csi").removeprefix("//"), settings.get("flip", "0")
    if not sensor.isdigit() or not (flip.isdigit() and int(flip) < 8):
        raise SourceError(f"Found {name!r} with flip={flip}, expected such as csi://0 with a flip from 0 to 7.")
    (height, width), rate = size_setting(settings) or CSI_SIZE_HW, rate_setting(settings) or CSI_FPS
    fps = f"{rate.numerator}/{rate.denominator}"
    return CSI.format(sensor=sensor, width=width, height=height, fps=fps, flip=flip)
