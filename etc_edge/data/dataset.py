"""Data sets: classes, splits and clips, opened by a path or a spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.core.table import Table
from etc_edge.data.clip import Clip


class Dataset(Protocol):
    """Labelled clips in named splits."""

    @property
    def name(self) -> str:
        """What results call it."""

    @property
    def label_set(self) -> LabelSet:
        """The classes that its labels are of."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of its splits."""

    def clips(self, split: str) -> Sequence[Clip]:
        """The clips of one split, in a fixed order.

        Raises:
            DatasetError: no such split, or nothing in it.
        """


# Each entry opens a data set from its spec; one that detects itself stands in DETECTION below.
DATASETS: Table[Callable[[str], Dataset]] = Table(
    "data set",
    {
        "camvid": "etc_edge.data.camvid:open_camvid",
        "cityscapes": "etc_edge.data.cityscapes:open_cityscapes",
        "folder": "etc_edge.data.folder:open_folder",
        "street": "etc_edge.data.street:open_street",
        "video": "etc_edge.data.video:open_videos",
    },
)

_DETECTION: Table[Callable[[Path], bool]] = Table(
    "data set",
    {
        "cityscapes": "etc_edge.data.cityscapes:is_cityscapes",
        "camvid": "etc_edge.data.camvid:is_camvid",
        "folder": "etc_edge.data.folder:is_folder",
        "video": "etc_edge.data.video:is_videos",
    },
)


def open_dataset(spec: str | Path, kind: str | None = None) -> Dataset:
    """Open a data set.

    Args:
        spec: a folder, a video file, or `synthetic:street` with optional `?key=value&…`.
        kind: a name of DATASETS; found out from the folder's layout when None.

    Raises:
        DatasetError: no such folder or kind, or a layout that no kind fits.
    """
    spec = str(spec)
    if kind is None:
        kind = _detect(spec)
    if kind not in DATASETS.names():
        raise DatasetError(f"Found the data set kind {kind!r}, expected one of {', '.join(DATASETS.names())}.")
    return DATASETS.load(kind)(spec)


def choose_split(splits: Sequence[str], split: str, name: str) -> str:
    """`split` when the data set `name` has it.

    Raises:
        DatasetError: it has not.
    """
    if split not in splits:
        raise DatasetError(f"Found no split {split!r} in {name}, expected one of: {', '.join(splits)}.")
    return split


def _detect(spec: str) -> str:
    if spec.split("?")[0] == "synthetic:street":
        return "street"
    path = Path(spec)
    if path.is_file():
        return "video"
    if not path.is_dir():
        raise DatasetError(f"Found no data set at {spec}.", "Give a folder, a video, or synthetic:street.")
    for kind in _DETECTION.names():
        if _DETECTION.load(kind)(path):
            return kind
    raise DatasetError(
        f"Found a layout in {spec} that is none of: {', '.join(_DETECTION.names())}.",
        "The plainest is SPLIT/images/*.jpg, SPLIT/labels/*.png of the same names, and classes.yaml.",
    )
