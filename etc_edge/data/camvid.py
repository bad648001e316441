"""CamVid (Brostow et al. 2009) in its 11-class, 480×360 form.

Two layouts are read: `SPLIT/images/*.jpg`, `SPLIT/labels/*.png`, `classes.yaml`; and the SegNet tutorial's
`train/ trainannot/ val/ valannot/ test/ testannot/`. File names give sequence and frame number at 30 Hz.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.dataset import choose_split
from etc_edge.data.stored import StoredClip, StoredFrame, image_files

CAMERA_FPS = 30
# Neighbours further apart than this are stills: nothing that moves can be followed from one to the next.
MAX_GAP_S = Fraction(1, 5)

NAMES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
COLORS_RGB = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip

_NAME = re.compile(r"(?P<sequence>.+)_f?(?P<frame>\d+)")


@dataclass(frozen=True)
class CamVid:
    """See Dataset."""

    root: Path
    label_set: LabelSet
    splits: tuple[str, ...]
    name: str = "camvid"

    def clips(self, split: str) -> Sequence[StoredClip]:
        """See Dataset: runs of neighbouring frames, and stills."""
        choose_split(self.splits, split, f"CamVid at {self.root}")
        images_folder, labels_folder = _folders(self.root, split)
        images = image_files(images_folder)
        if not images:
            raise DatasetError(f"Found no images in {images_folder}.")
        frames = [StoredFrame(image, _labels_of(image, labels_folder)) for image in images]
        return [_clip(run, self.label_set) for run in _runs(frames)]


def open_camvid(spec: str) -> CamVid:
    """Open CamVid from its folder.

    Raises:
        DatasetError: the folder has neither layout, or its list of classes cannot be read.
    """
    root = Path(spec)
    splits = tuple(split for split in ("train", "val", "test") if _folders(root, split)[0].is_dir())
    if not splits:
        raise DatasetError(
            f"Found no split of CamVid in {root}.", "Expected train/images and train/labels, or train and trainannot."
        )
    classes = root / "classes.yaml"
    if classes.exists():
        label_set = LabelSet.from_yaml(classes)
    else:
        label_set = LabelSet(NAMES, COLORS_RGB, void=11 if _is_segnet(root) else 255)
    return CamVid(root, label_set, splits)


def is_camvid(root: Path) -> bool:
    """Whether a folder has CamVid's layout and its frame names."""
    for split in ("train", "val", "test"):
        folder = _folders(root, split)[0]
        if folder.is_dir() and _labels_folder(root, split).is_dir():
            return any(re.match(r"(0001TP|0006R0|0016E5|Seq05VD)_", path.name) for path in image_files(folder)[:3])
    return False


def _is_segnet(root: Path) -> bool:
    return any((root / f"{split}annot").is_dir() for split in ("train", "val", "test"))


def _labels_folder(root: Path, split: str) -> Path:
    return _folders(root, split)[1]


def _folders(root: Path, split: str) -> tuple[Path, Path]:
    if _is_segnet(root):
        return root / split, root / f"{split}annot"
    return root / split / "images", root / split / "labels"


def _labels_of(image: Path, folder: Path) -> Path:
    for candidate in (folder / f"{image.stem}.png", folder / f"{image.stem}_L.png"):
        if candidate.exists():
            return candidate
    raise DatasetError(f"Found no labels {folder / image.stem}.png for the image {image}.")


def _runs(frames: list[StoredFrame]) -> list[list[tuple[str, int, StoredFrame]]]:
    """Cut the frames, by sequence and number, wherever the step changes or exceeds the gap."""
    placed = sorted(((*_place(frame), frame) for frame in frames), key=lambda item: item[:2])
    runs: list[list[tuple[str, int, StoredFrame]]] = []
    for item in placed:
        run = runs[-1] if runs else []
        step = item[1] - run[-1][1] if run and run[-1][0] == item[0] else None
        near = step is not None and Fraction(step, CAMERA_FPS) <= MAX_GAP_S
        if near and (len(run) == 1 or step == run[1][1] - run[0][1]):
            run.append(item)
        else:
            runs.append([item])
    return runs


def _place(frame: StoredFrame) -> tuple[str, int]:
    match = _NAME.fullmatch(frame.image.stem)
    if match is None:
        raise DatasetError(f"Found {frame.image.name}, expected CamVid's SEQUENCE_FRAME names such as 0016E5_07959.")
    return match["sequence"], int(match["frame"])


def _clip(run: list[tuple[str, int, StoredFrame]], label_set: LabelSet) -> StoredClip:
    sequence, _, first = run[0]
    fps = None if len(run) == 1 else Fraction(CAMERA_FPS, run[1][1] - run[0][1])
    return StoredClip(first.image.stem, tuple(item[2] for item in run), label_set, fps, sequence)
