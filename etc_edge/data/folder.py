"""Plain folders of images and labels.

    [SPLIT/]images/[CLIP/]NAME.jpg     frames; those of a subfolder are consecutive and make one clip
    [SPLIT/]labels/[CLIP/]NAME.png     class numbers, for all frames or some
    classes.yaml                       names, colors, void, and optionally fps

Without subfolders every image is a still. Without split folders the one split is called `all`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import yaml

from etc_edge.core.errors import DatasetError
from etc_edge.core.labels import LabelSet
from etc_edge.data.dataset import choose_split
from etc_edge.data.stored import StoredClip, StoredFrame, image_files

WHOLE = "all"
IMAGES, LABELS, CLASSES = "images", "labels", "classes.yaml"


@dataclass(frozen=True)
class LabelledFolder:
    """See Dataset."""

    root: Path
    label_set: LabelSet
    splits: tuple[str, ...]
    fps: Fraction | None
    name: str

    def clips(self, split: str) -> Sequence[StoredClip]:
        """See Dataset: a clip a subfolder, or a still an image."""
        choose_split(self.splits, split, str(self.root))
        base = self.root if split == WHOLE and (self.root / IMAGES).is_dir() else self.root / split
        images, labels = base / IMAGES, base / LABELS
        if (images / "").is_dir() and not any(images.iterdir()):
            raise DatasetError(f"Found no images in {images}.")
        clips = [self._still(image, labels) for image in image_files(images)]
        for folder in sorted(path for path in images.iterdir() if path.is_dir()):
            frames = tuple(StoredFrame(image, _labels_of(image, labels / folder.name)) for image in image_files(folder))
            if not frames:
                raise DatasetError(f"Found no images in {folder}, expected the frames of a clip.")
            clips.append(StoredClip(folder.name, frames, self.label_set, self.fps, folder.name))
        if not clips:
            raise DatasetError(f"Found no images in {images}.")
        _refuse_orphans(images, labels)
        return clips

    def _still(self, image: Path, labels: Path) -> StoredClip:
        return StoredClip(image.stem, (StoredFrame(image, _labels_of(image, labels)),), self.label_set)


def open_folder(spec: str) -> LabelledFolder:
    """Open a plain folder.

    Raises:
        DatasetError: it holds no images folder, or no readable list of classes.
    """
    root = Path(spec)
    splits = _splits(root)
    if not splits:
        raise DatasetError(f"Found no {IMAGES} folder in {root}, expected {IMAGES}/ or SPLIT/{IMAGES}/.")
    classes = root / CLASSES
    if not classes.exists():
        raise DatasetError(
            f"Found no {CLASSES} in {root}.", "Write one: {names: [road, car], colors: [[128, 64, 128], [0, 0, 142]]}"
        )
    return LabelledFolder(root, LabelSet.from_yaml(classes), splits, _fps(classes), root.resolve().name)


def is_folder(root: Path) -> bool:
    """Whether a folder has this layout."""
    return bool(_splits(root))


def _splits(root: Path) -> tuple[str, ...]:
    if (root / IMAGES).is_dir():
        return (WHOLE,)
    return tuple(sorted(path.name for path in root.iterdir() if (path / IMAGES).is_dir()))


def _fps(classes: Path) -> Fraction | None:
    stated = yaml.safe_load(classes.read_text(encoding="utf-8")).get("fps")
    if stated is None:
        return None
    try:
        fps = Fraction(str(stated))
    except (ValueError, ZeroDivisionError) as error:
        raise DatasetError(f"Found fps {stated!r} in {classes}, expected a number or a fraction.") from error
    if fps <= 0:
        raise DatasetError(f"Found fps {stated!r} in {classes}, expected more than 0.")
    return fps


def _labels_of(image: Path, folder: Path) -> Path | None:
    path = folder / f"{image.stem}.png"
    return path if path.exists() else None


def _refuse_orphans(images: Path, labels: Path) -> None:
    """Refuse labels that belong to no image: a sign of names that do not fit, which would else go unnoticed."""
    if not labels.is_dir():
        return
    for path in labels.rglob("*.png"):
        folder = images / path.parent.relative_to(labels)
        if not any(candidate.stem == path.stem for candidate in folder.glob(f"{path.stem}.*")):
            raise DatasetError(f"Found labels {path} without an image of that name in {folder}.")
