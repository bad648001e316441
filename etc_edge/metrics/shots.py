"""A frame made ready to examine networks on, and many of them in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt

from etc_edge.metrics.motion import Motion

UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame: uint8 (H, W, 3), its labels or None, and the motion from the frame before, None for a clip's first."""

    clip: str
    image_rgb: UInt8
    truth: UInt8 | None
    motion: Motion | None


@dataclass
class StoredShots(Sequence[Shot]):
    """Shots in files of a folder, read when they are asked for: hundreds of large frames do not fit in memory.

    Args:
        folder: where the files are; it exists and is the caller's to remove.
    """

    folder: Path
    clips: list[str] = field(default_factory=list)
    last: tuple[int, Shot] | None = None

    def append(self, shot: Shot) -> None:
        """Keep a shot."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"image_rgb": shot.image_rgb}
        if shot.truth is not None:
            arrays["truth"] = shot.truth
        if shot.motion is not None:
            motion = shot.motion
            arrays |= {
                "flow": motion.flow, "target": motion.target, "valid": motion.valid, "unchanged": motion.unchanged
            }  # fmt: skip
        np.savez(self._path(len(self.clips)), allow_pickle=False, **arrays)
        self.clips.append(shot.clip)

    def __len__(self) -> int:
        return len(self.clips)

    @overload
    def __getitem__(self, index: int, /) -> Shot: ...

    @overload
    def __getitem__(self, index: slice, /) -> Sequence[Shot]: ...

    def __getitem__(self, index: int | slice, /) -> Shot | Sequence[Shot]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        # Whoever examines asks for the same shot twice: for its picture, then for what its labels are held against.
        if self.last is None or self.last[0] != number:
            self.last = number, self._read(number)
        return self.last[1]

    def _read(self, number: int) -> Shot:
        with np.load(self._path(number), allow_pickle=False) as file:
            motion = None
            if "target" in file:
                motion = Motion(file["flow"], file["target"], file["valid"], file["unchanged"])
            truth = file.get("truth")
            return Shot(self.clips[number], file["image_rgb"], truth, motion)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.npz"
