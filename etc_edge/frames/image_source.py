"""A folder, a glob or a single image as a source."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import SourceError
from etc_edge.frames.frame import Frame
from etc_edge.frames.source import ASSUMED_FPS, IMAGE_SUFFIXES, Source, path_of


class ImageSource(Source):
    """Image files one after the other, each read when it is its turn."""

    def __init__(self, name: str, files: list[Path]) -> None:
        self.name = name
        self.fps, self.frame_count, self.live = None, len(files), False
        self.size_hw = _size_hw(read_rgb(files[0]))
        self.files = files
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self.files):
            if self._closed:
                return
            yield Frame(read_rgb(file), index, float(index / ASSUMED_FPS))

    def close(self) -> None:
        """See Source."""
        self._closed = True


def open_images(spec: str) -> ImageSource:
    """Open a folder, a glob or one file of images, in natural order: `2.png` before `10.png`.

    Raises:
        SourceError: no image there, or the first cannot be decoded.
    """
    place = path_of(spec, "images")
    path = Path(place)
    if path.is_dir():
        found = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    elif path.is_file():
        found = [path]
    else:
        found = [Path(file) for file in glob.glob(place, recursive=True)]
        found = [file for file in found if file.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise SourceError(
            f"Found no images at {place}.",
            f"Expected a folder, a glob or a file of {', '.join(sorted(IMAGE_SUFFIXES))}.",
        )
    return ImageSource(place, sorted(found, key=natural_order))


def natural_order(path: Path) -> tuple[tuple[int, int, str], ...]:
    """A sorting key in which numbers inside names count as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part.lower()) for part in parts)


def read_rgb(file: Path) -> npt.NDArray[np.uint8]:
    """Decode an image file to uint8 (H, W, 3), red first, upright.

    Raises:
        SourceError: the file is missing or no image.
    """
    import cv2

    try:
        data = np.frombuffer(file.read_bytes(), np.uint8)
    except OSError as error:
        raise SourceError(f"Found no readable file {file}: {error.strerror}.") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise SourceError(f"Found {file}, which cannot be decoded as an image.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _size_hw(image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    return int(image.shape[0]), int(image.shape[1])
