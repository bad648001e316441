"""A video without labels as a data set: to calibrate on and to fine-tune on without labels, not to be evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from etc_edge.core.errors import DatasetError, SourceError
from etc_edge.core.labels import LabelSet
from etc_edge.data.clip import ClipFrame
from etc_edge.data.dataset import choose_split
from etc_edge.frames.video_frames import VideoFrames, open_video_frames

VIDEO_SUFFIXES = frozenset({".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts", ".m4v", ".mpg", ".mpeg"})
UNLABELLED = LabelSet(("unlabelled",), ((0, 0, 0),))
"""The classes of data that has none."""


@dataclass(frozen=True)
class VideoClip:
    """See Clip; none of its frames has labels."""

    path: Path
    length: int
    fps: Fraction | None

    @property
    def name(self) -> str:
        """See Clip."""
        return self.path.stem

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return ()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < self.length:
            raise IndexError(index)
        try:
            return ClipFrame(index, _opened(self.path)[index].copy())
        except SourceError as error:
            raise DatasetError(error.message, error.hint) from error


@dataclass(frozen=True)
class Videos:
    """See Dataset: one split, `train`, in which each file is a clip."""

    files: tuple[Path, ...]
    name: str
    label_set: LabelSet = UNLABELLED
    splits: tuple[str, ...] = ("train",)

    def clips(self, split: str) -> Sequence[VideoClip]:
        """See Dataset."""
        choose_split(self.splits, split, f"{self.name}, a video without labels")
        try:
            found = [(path, _opened(path)) for path in self.files]
        except SourceError as error:
            raise DatasetError(error.message, error.hint) from error
        return [VideoClip(path, len(frames), frames.fps) for path, frames in found]


def open_videos(spec: str) -> Videos:
    """Open a video file, or a folder of them.

    Raises:
        DatasetError: there is none, or two that differ only in their endings.
    """
    path = Path(spec)
    files = tuple(video_files(path)) if path.is_dir() else (path,)
    if not files or not all(file.is_file() for file in files):
        raise DatasetError(f"Found no video at {spec}.", f"Expected a file or a folder of {', '.join(VIDEO_SUFFIXES)}.")
    if len({file.stem for file in files}) < len(files):
        raise DatasetError(f"Found two videos of one name in {spec}, expected names that differ.")
    return Videos(files, path.resolve().stem)


def is_videos(root: Path) -> bool:
    """Whether a folder holds videos."""
    return bool(video_files(root))


def video_files(folder: Path) -> list[Path]:
    """Videos directly in a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())


@lru_cache(maxsize=4)
def _opened(path: Path) -> VideoFrames:
    """One a process and file: loader workers open theirs on first use."""
    return open_video_frames(path)
