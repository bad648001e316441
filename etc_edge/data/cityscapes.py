"""Cityscapes (Cordts et al. 2016): the labelled stills, or the 30-frame sequences around them.

    leftImg8bit/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png            one labelled frame a snippet
    leftImg8bit_sequence/SPLIT/CITY/CITY_SEQUENCE_FRAME_leftImg8bit.png   30 frames at 17 Hz, the 20th labelled
    gtFine/SPLIT/CITY/CITY_SEQUENCE_FRAME_gtFine_labelIds.png             (or _labelTrainIds.png)

Where the sequences are there they are the clips; else each still is one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.dataset import choose_split
from etc_edge.data.stored import StoredClip, StoredFrame, image_files

FPS = Fraction(17)
STILLS, SEQUENCES, LABELS = "leftImg8bit", "leftImg8bit_sequence", "gtFine"

# The 19 evaluated classes: label id in the files, name, colour; in the order of their train ids.
CLASSES = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
LABEL_SET = LabelSet(tuple(name for _, name, _ in CLASSES), tuple(color for _, _, color in CLASSES))
_TRAIN_ID = {label_id: index for index, (label_id, _, _) in enumerate(CLASSES)}
LABEL_ID_TO_CLASS = tuple(_TRAIN_ID.get(value, LABEL_SET.void) for value in range(256))

_NAME = re.compile(r"(?P<snippet>.+_\d+)_(?P<frame>\d+)_leftImg8bit")


@dataclass(frozen=True)
class Cityscapes:
    """See Dataset."""

    root: Path
    splits: tuple[str, ...]
    label_set: LabelSet = LABEL_SET
    name: str = "cityscapes"

    def clips(self, split: str) -> Sequence[StoredClip]:
        """See Dataset: one clip a run of consecutive frames, labelled where gtFine has labels."""
        choose_split(self.splits, split, f"Cityscapes at {self.root}")
        folder = _frames_folder(self.root)
        clips = [clip for city in _cities(self.root / folder / split) for clip in self._city(split, city)]
        if not clips:
            raise DatasetError(f"Found no images in {self.root / folder / split}.")
        return clips

    def _city(self, split: str, city: Path) -> list[StoredClip]:
        labels_folder = self.root / LABELS / split / city.name
        placed = [(*_place(image), image) for image in image_files(city)]
        clips = []
        for _, run in groupby(enumerate(placed), key=lambda item: (item[1][0], item[1][1] - item[0])):
            members = [member for _, member in run]
            found = [_labels(labels_folder, image) for _, _, image in members]
            frames = tuple(
                StoredFrame(image, None if labels is None else labels[0])
                for (_, _, image), labels in zip(members, found, strict=True)
            )
            stored_ids = any(labels is not None and labels[1] for labels in found)
            clips.append(
                StoredClip(
                    members[0][2].stem.removesuffix("_leftImg8bit"), frames, self.label_set,
                    FPS if len(frames) > 1 else None, members[0][0], LABEL_ID_TO_CLASS if stored_ids else None,
                )
            )  # fmt: skip
        return clips


def open_cityscapes(spec: str) -> Cityscapes:
    """Open Cityscapes from the folder that holds leftImg8bit (or leftImg8bit_sequence) and gtFine.

    Raises:
        DatasetError: there are no images.
    """
    root = Path(spec)
    frames = root / _frames_folder(root)
    splits = tuple(split for split in ("train", "val", "test") if (frames / split).is_dir())
    if not splits:
        raise DatasetError(f"Found no {STILLS}/train, val or test in {root}, expected the layout of Cityscapes.")
    return Cityscapes(root, splits)


def is_cityscapes(root: Path) -> bool:
    """Whether a folder has Cityscapes' layout."""
    return (root / STILLS).is_dir() or (root / SEQUENCES).is_dir()


def _frames_folder(root: Path) -> str:
    return SEQUENCES if (root / SEQUENCES).is_dir() else STILLS


def _cities(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _place(image: Path) -> tuple[str, int]:
    match = _NAME.fullmatch(image.stem)
    if match is None:
        raise DatasetError(f"Found {image}, expected names such as aachen_000000_000019_leftImg8bit.png.")
    return match["snippet"], int(match["frame"])


def _labels(folder: Path, image: Path) -> tuple[Path, bool] | None:
    """The label file of an image and whether it holds label ids (else train ids); None where there is none."""
    stem = image.stem.removesuffix("_leftImg8bit")
    for ending, holds_ids in (("labelIds", True), ("labelTrainIds", False)):
        path = folder / f"{stem}_gtFine_{ending}.png"
        if path.exists():
            return path, holds_ids
    return None
