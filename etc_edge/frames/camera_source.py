"""A camera of this machine as a live source."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from etc_edge.core.errors import SourceError
from etc_edge.frames.camera_modes import Mode, Wish, best_mode, camera_modes
from etc_edge.frames.live_source import LEAST_PAUSE_S, Gone, LiveSource, Picture
from etc_edge.frames.settings import rate_setting, size_setting, split_settings
from etc_edge.frames.source import path_of

SETTINGS = ("size", "fps", "format")
IN_USE = "Is another program using it, and may you read it?"


class CameraSource(LiveSource):
    """Frames as a camera delivers them; timestamps are those that its driver gave them.

    Args:
        name: what to call it.
        open_capture: opens a `cv2.VideoCapture`; called again when the camera went away. It raises Gone.
        least_pause_s, told: see LiveSource.

    Raises:
        SourceError: it cannot be opened the first time, or gives no frame.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Any],
        least_pause_s: float = LEAST_PAUSE_S,
        told: Callable[[str], None] | None = None,
    ) -> None:
        self._open_capture = open_capture
        # OpenCV may not release a camera that is being read.
        self._reading = Lock()
        self._capture: Any = None
        super().__init__(name, least_pause_s, told, IN_USE)

    def _connect(self) -> Generator[Picture, None, None]:
        import cv2

        capture = self._capture = self._open_capture()
        try:
            rate = capture.get(cv2.CAP_PROP_FPS)
            self.fps = self.fps or (Fraction(rate).limit_denominator(1001) if rate > 0 else None)
            while (taken := self._read(capture)) is not None:
                image, stamp_ms = taken
                yield np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8), stamp_ms / 1e3 if stamp_ms else None
            raise Gone("it delivers no more frames")
        finally:
            with self._reading:
                capture.release()

    def _read(self, capture: Any) -> tuple[Any, float] | None:
        """The next picture, and milliseconds of the driver's clock, 0 where it has none."""
        import cv2

        with self._reading:
            delivered, image = capture.read() if capture.isOpened() and not self._closed.is_set() else (False, None)
            return (image, capture.get(cv2.CAP_PROP_POS_MSEC)) if delivered else None

    def close(self) -> None:
        """See Source."""
        super().close()
        with self._reading:
            if self._capture is not None:
                self._capture.release()


def open_camera(spec: str) -> CameraSource:
    """Open a camera by its number or its device file, `/dev/video0?size=720x1280&fps=30&format=MJPG`.

    Of what a V4L2 camera offers that is taken which comes nearest to the settings; without them, to 720x1280 at 30
    frames a second.

    Raises:
        SourceError: there is none, it may not be used, it offers nothing that can be read, or it delivers nothing.
    """
    place, settings = split_settings(path_of(spec, "camera"), SETTINGS)
    place = place.removeprefix("/dev/video")
    if not place.isdigit():
        raise SourceError(f"Found the camera {spec!r}, expected a number such as 0 or a device such as /dev/video0.")
    device = f"/dev/video{place}"
    wish = Wish(settings.get("format", "").upper() or None, size_setting(settings), rate_setting(settings))
    if sys.platform == "linux" and not Path(device).exists():
        present = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise SourceError(f"Found no camera {device}.", f"Cameras here: {', '.join(present) or 'none'}.")
    mode = _chosen(device, wish) if sys.platform == "linux" else None
    return CameraSource(device, lambda: _opened(int(place), mode))


def _chosen(device: str, wish: Wish) -> Mode:
    try:
        offered = camera_modes(device, wish)
    except OSError as error:
        raise SourceError(f"Found the camera {device}, which cannot be opened: {error.strerror}.", IN_USE) from error
    mode = best_mode(offered, wish)
    if mode is None:
        formats = ", ".join(sorted({one.format for one in offered})) or "none: it may be the camera's second device"
        raise SourceError(f"Found no mode of {device} for {str(wish) or 'pictures'}.", f"Formats it offers: {formats}.")
    return mode


def _opened(number: int, mode: Mode | None) -> Any:
    import cv2

    if mode is None:
        capture = cv2.VideoCapture(number)
    else:
        height, width = mode.size_hw
        parameters = [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.format.ljust(4))]
        parameters += [cv2.CAP_PROP_FRAME_WIDTH, width, cv2.CAP_PROP_FRAME_HEIGHT, height]
        parameters += [] if mode.fps is None else [cv2.CAP_PROP_FPS, round(mode.fps)]
        capture = cv2.VideoCapture(number, cv2.CAP_V4L2, parameters)
    if not capture.isOpened():
        capture.release()
        raise Gone("OpenCV cannot open it")
    return capture
