"""A camera of this machine as a live source."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from etc_edge.core.errors import SourceError
from etc_edge.frames.frame import Frame
from etc_edge.frames.source import Source, path_of


class CameraSource(Source):
    """Frames as a camera delivers them.

    Args:
        name: what to call it.
        capture: an open `cv2.VideoCapture`; closed with the source.

    Raises:
        SourceError: it delivers no frame.
    """

    def __init__(self, name: str, capture: Any) -> None:
        import cv2

        self.name, self.frame_count, self.live = name, None, True
        self._capture = capture
        # OpenCV may not release a camera that is being read.
        self._reading = Lock()
        delivered, image = capture.read()
        if not delivered:
            capture.release()
            raise SourceError(f"Found the camera {name}, which delivers no frames.", "Is another program using it?")
        self.size_hw = int(image.shape[0]), int(image.shape[1])
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = Fraction(rate).limit_denominator(1001) if rate > 0 else None

    def __iter__(self) -> Iterator[Frame]:
        import cv2

        begun, index = time.monotonic(), 0
        while True:
            with self._reading:
                if not self._capture.isOpened():
                    return
                delivered, image = self._capture.read()
            if not delivered:
                raise SourceError(
                    f"Found no more frames from the camera {self.name} after {index}.", "Is it unplugged?"
                )
            rgb = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            yield Frame(rgb, index, time.monotonic() - begun)
            index += 1

    def close(self) -> None:
        """See Source."""
        with self._reading:
            self._capture.release()


def open_camera(spec: str) -> CameraSource:
    """Open a camera by its number or its device file.

    Raises:
        SourceError: there is none, it may not be used, or it delivers nothing.
    """
    place = path_of(spec, "camera").removeprefix("/dev/video")
    if not place.isdigit():
        raise SourceError(f"Found the camera {spec!r}, expected a number such as 0 or a device such as /dev/video0.")
    device = Path(f"/dev/video{place}")
    if sys.platform == "linux" and not device.exists():
        present = sorted(str(path) for path in Path("/dev").glob("video*"))
        raise SourceError(f"Found no camera {device}.", f"Cameras here: {', '.join(present) or 'none'}.")
    import cv2

    capture = cv2.VideoCapture(int(place), cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
    if not capture.isOpened():
        raise SourceError(
            f"Found the camera {device}, which cannot be opened.", "Is another program using it, and may you read it?"
        )
    return CameraSource(str(device), capture)
