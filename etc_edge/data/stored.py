"""A clip whose frames and labels are image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.clip import ClipFrame

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm"})


@dataclass(frozen=True)
class StoredFrame:
    """Where one frame lies, and its labels or None."""

    image: Path
    labels: Path | None


@dataclass(frozen=True)
class StoredClip:
    """Frames on disk; see `Clip`.

    Args:
        name: unique within the split.
        frames: files in time order.
        label_set: what the labels are checked against.
        fps: frames a second, or None.
        sequence: the recording that the clip is a part of, or "".
        label_values: maps stored label values to classes, 256 values; None where files hold classes already.
    """

    name: str
    frames: tuple[StoredFrame, ...]
    label_set: LabelSet
    fps: Fraction | None = None
    sequence: str = ""
    label_values: tuple[int, ...] | None = None

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return [index for index, frame in enumerate(self.frames) if frame.labels is not None]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < len(self.frames):
            raise IndexError(index)
        frame = self.frames[index]
        image = read_image_rgb(frame.image)
        if frame.labels is None:
            return ClipFrame(index, image)
        labels = read_labels(frame.labels)
        if self.label_values is not None:
            labels = np.asarray(self.label_values, np.uint8)[labels]
        if labels.shape != image.shape[:2]:
            raise DatasetError(
                f"Found labels of {_size(labels)} in {frame.labels} for an image of {_size(image)} in {frame.image}.",
                "Labels must have their image's size.",
            )
        self.label_set.check(labels, str(frame.labels))
        return ClipFrame(index, image, labels)


def read_image_rgb(path: Path) -> npt.NDArray[np.uint8]:
    """Decode an image file to uint8 (H, W, 3), red first.

    Raises:
        DatasetError: the file is missing or no image.
    """
    import cv2

    stored = cv2.imdecode(_bytes(path), cv2.IMREAD_COLOR)
    if stored is None:
        raise DatasetError(f"Found {path}, which cannot be decoded as an image.")
    return np.ascontiguousarray(cv2.cvtColor(stored, cv2.COLOR_BGR2RGB), np.uint8)


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Decode a single-channel label file to uint8 (H, W).

    Raises:
        DatasetError: the file is missing, no image, has colours, or has more than 8 bits.
    """
    import cv2

    stored = cv2.imdecode(_bytes(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise DatasetError(f"Found {path}, which cannot be decoded as an image.")
    if stored.ndim == 3 and stored.shape[2] == 3 and (stored == stored[..., :1]).all():
        stored = stored[..., 0]  # a grey image that was stored with three equal channels
    if stored.ndim != 2 or stored.dtype != np.uint8:
        raise DatasetError(
            f"Found labels of shape {stored.shape} and type {stored.dtype} in {path}, expected one 8-bit channel.",
            "Labels hold class numbers, not colours.",
        )
    return np.ascontiguousarray(stored, np.uint8)


def image_files(folder: Path) -> list[Path]:
    """Image files directly in a folder, by name; none where it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _bytes(path: Path) -> npt.NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"Found no readable file {path}: {error.strerror}.") from error
    if not data:
        raise DatasetError(f"Found the empty file {path}, expected an image.")
    return np.frombuffer(data, np.uint8)


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[1]}×{array.shape[0]}"
