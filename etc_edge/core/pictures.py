"""Pictures that belong to results: worst frames, flicker maps, a video, in a folder beside the results file."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import UNSET, UnsetType

from etc_edge.core.errors import ResultsError
from etc_edge.core.results import Data

INDEX = "pictures.json"


class WorstFrame(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that the model and the reference (or the truth) see most differently.

    Args:
        clip: its clip.
        index: its number there.
        differing: share of the pixels that differ.
        files: file names by what they show ("frame", "truth", "FP32", "INT8", "difference").
    """

    clip: str
    index: int
    differing: float
    files: dict[str, str]


class FlickerMap(msgspec.Struct, frozen=True, kw_only=True):
    """Where a clip's labels flip, or flip although the reference keeps them.

    Args:
        clip: the clip.
        share: flips among the pixels of unchanged looks, over all pairs of the clip.
        file: the file's name.
    """

    clip: str
    share: float
    file: str


class FlickerVideo(msgspec.Struct, frozen=True, kw_only=True):
    """The model beside its reference, over the frames where the model's labels flip most that the reference keeps.

    Args:
        clip: the clip.
        first: number of its first frame there.
        frames: how many.
        fps: frames a second that it is shown at.
        titles: what is shown from left to right.
        flips: likewise, the labels that flip, among the pixels of unchanged looks, as a fraction.
        file: H.264 in an MP4 file.
        poster: a picture of the frame with the most flips.
    """

    clip: str
    first: int
    frames: int
    fps: float
    titles: tuple[str, ...]
    flips: tuple[float, ...]
    file: str
    poster: str


class Pictures(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder's index holds; hashes and data are those of the results that the pictures belong to."""

    model_sha256: str
    data: Data
    worst: list[WorstFrame]
    flicker: list[FlickerMap]
    reference_sha256: str | UnsetType = UNSET
    video: FlickerVideo | UnsetType = UNSET


def pictures_folder(results: Path) -> Path:
    """Where the pictures of a results file lie: `NAME.pictures` beside `NAME.json`."""
    return results.with_suffix(".pictures")


def check_pictures_folder(folder: Path) -> None:
    """Refuse a place for pictures early, before long work.

    Raises:
        ResultsError: something stands there that is no folder of pictures and would be overwritten.
    """
    if folder.exists() and not (folder / INDEX).is_file():
        raise ResultsError(
            f"Found {folder}, which holds no {INDEX} and would be overwritten.", "Choose another name for the results."
        )


def load_pictures(folder: Path) -> Pictures | None:
    """Read a folder's index, or None where there is no such folder.

    Raises:
        ResultsError: the index is damaged, or names what is no file of the folder.
    """
    try:
        pictures = msgspec.json.decode((folder / INDEX).read_bytes(), type=Pictures)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ResultsError(f"Found {folder / INDEX}, which cannot be read: {error}.", "Evaluate again.") from error
    names = [name for frame in pictures.worst for name in frame.files.values()]
    names += [one.file for one in pictures.flicker]
    if not isinstance(pictures.video, UnsetType):
        names += [pictures.video.file, pictures.video.poster]
    for name in names:
        if Path(name).name != name or not (folder / name).is_file():
            raise ResultsError(f"Found no picture {name!r} in {folder}, which its index lists.", "Evaluate again.")
    return pictures
