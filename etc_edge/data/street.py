"""The synthetic street as a data set: clips that are drawn when they are asked for, with exact flow and occlusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from etc_edge.core.errors import DatasetError, SourceError
from etc_edge.core.labels import LabelSet
from etc_edge.data.clip import ClipFrame
from etc_edge.data.dataset import choose_split
from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.frames.street.spec import number_of, read_spec, size_of

if TYPE_CHECKING:
    from etc_edge.frames.street.renderer import Street

ALL = "all"
DEFAULTS = {
    "size": "288x512", "seed": "0", "frames": "30", "fps": "15", "train": "64", "val": "4", "labelled": ALL,
    "truth": "yes",
}  # fmt: skip
# Seeds of one split never meet those of another, whatever the number of clips.
FIRST_SEED = {"train": 1_000_000, "val": 9_000_000}


@dataclass(frozen=True)
class StreetClip:
    """A drive of ``length`` frames, the first ``labels`` of them labelled; see Clip.

    ``truth`` says whether frames bring flow and visibility: they need the next frame drawn as well, which
    random access pays for in full and reading in order hardly at all.
    """

    seed: int
    size_hw: tuple[int, int]
    length: int
    fps: Fraction
    labels: int
    truth: bool = True

    @property
    def name(self) -> str:
        """See Clip."""
        return f"street-{self.seed}"

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return range(self.labels)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < self.length:
            raise IndexError(index)
        street = _street(self.seed, self.size_hw, self.fps)
        frame = street.frame(index)
        # The street keeps its last frames: whoever changes what it gets must not change those.
        image, labels = frame.image_rgb.copy(), frame.labels.copy() if index < self.labels else None
        if not self.truth or index + 1 == self.length:
            return ClipFrame(index, image, labels)
        return ClipFrame(index, image, labels, *street.truth(index))


@dataclass(frozen=True)
class StreetDataset:
    """See Dataset: `train` and `val` are different streets; of a clip of `train`, the first ``labelled`` frames are."""

    seed: int
    size_hw: tuple[int, int]
    length: int
    fps: Fraction
    clip_counts: tuple[int, int]
    labelled: int
    truth: bool
    name: str = "street"
    label_set: LabelSet = STREET_CLASSES
    splits: tuple[str, ...] = ("train", "val")

    def clips(self, split: str) -> Sequence[StreetClip]:
        """See Dataset."""
        choose_split(self.splits, split, "the synthetic street")
        first = FIRST_SEED[split] + 100_000_000 * self.seed
        count = self.clip_counts[self.splits.index(split)]
        labels = self.labelled if split == "train" else self.length
        return [StreetClip(first + i, self.size_hw, self.length, self.fps, labels, self.truth) for i in range(count)]


def open_street(spec: str) -> StreetDataset:
    """Open `synthetic:street?size=288x512&seed=0&frames=30&fps=15&train=64&val=4&labelled=all&truth=yes`.

    `train` and `val` are numbers of clips, `frames` those of each clip. `labelled` is how many of the first frames of
    each clip of `train` have labels: pairs along exact flow need a next frame after the last of them.

    Raises:
        DatasetError: an unknown setting or value.
    """
    try:
        settings = read_spec(spec, DEFAULTS)
        if settings["truth"] not in ("yes", "no"):
            raise SourceError(f"Found truth={settings['truth']} for the street, expected yes or no.")
        length = number_of(settings["frames"], "frames", int, 1)
        asked = settings["labelled"]
        labelled = length if asked == ALL else number_of(asked, "labelled", int, 1)
        if labelled > length:
            raise SourceError(f"Found labelled={labelled} for a street of {length} frames, expected at most {length}.")
        return StreetDataset(
            number_of(settings["seed"], "seed", int, 0),
            size_of(settings["size"]),
            length,
            number_of(settings["fps"], "fps", Fraction, 1),
            (number_of(settings["train"], "train", int, 1), number_of(settings["val"], "val", int, 1)),
            labelled,
            settings["truth"] == "yes",
        )
    except SourceError as error:
        raise DatasetError(error.message, error.hint) from error


@lru_cache(maxsize=6)
def _street(seed: int, size_hw: tuple[int, int], fps: Fraction) -> Street:
    from etc_edge.frames.street.renderer import Street

    return Street(seed, size_hw, fps)
