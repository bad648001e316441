"""A teacher's outputs on whole frames, on disk, and how they are found again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import TrainingError
from etc_edge.core.file_names import as_file_name
from etc_edge.training.geometry import Matrix, compose, inverse
from etc_edge.training.sample import TeacherMaps

Half = npt.NDArray[np.float16]


@dataclass(frozen=True)
class TeacherStore:
    """One file a frame.

    Args:
        folder: of this teacher with these settings.
        input_size_hw: size of the frames that it saw.
    """

    folder: Path
    input_size_hw: tuple[int, int]

    def has(self, clip: str, index: int) -> bool:
        """Whether a frame's outputs are there."""
        return self._path(clip, index).is_file()

    def save(self, clip: str, index: int, logits: Half, features: Half | None) -> None:
        """Keep a frame's outputs: float16 (classes, h, w), and (D, h', w') or None."""
        arrays = {"logits": logits} if features is None else {"logits": logits, "features": features}
        path = self._path(clip, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def maps(self, clip: str, index: int, matrix: Matrix) -> TeacherMaps:
        """What the teacher made of a frame, for a picture that `matrix` cuts out of it.

        Raises:
            TrainingError: the outputs are not there any more, or damaged.
        """
        path = self._path(clip, index)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                logits, features = stored["logits"], stored.get("features")
        except (OSError, ValueError, KeyError, BadZipFile, EOFError) as error:
            raise TrainingError(
                f"Found the teacher's outputs {path} missing or damaged.",
                "Remove the folder and go on with --resume: they are made again.",
            ) from error
        height, width = self.input_size_hw
        to_unit = np.array([[2.0 / (width - 1), 0.0, -1.0], [0.0, 2.0 / (height - 1), -1.0]])
        return TeacherMaps(logits, features, compose(to_unit, inverse(matrix)))

    def _path(self, clip: str, index: int) -> Path:
        return self.folder / as_file_name(clip) / f"{index:06}.npz"
