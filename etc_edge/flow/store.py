"""Flow of a clip's pairs, estimated once and kept in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import DatasetError
from etc_edge.core.file_names import as_file_name
from etc_edge.core.progress import Progress, Silent
from etc_edge.flow.base import Flow, FlowField
from etc_edge.flow.stored import load_flow, save_flow


class FlowStore:
    """Flow from any frame of a clip to any other, read where it is kept and estimated where it is not.

    The folder holds `ESTIMATOR/CLIP/INDEX-OTHER.npz` in float16, which keeps 1/128 pixel up to a displacement of 16
    and 1/16 up to 128. Several processes may read and write one folder: a file appears whole or not at all, and two
    that miss the same pair both estimate it.

    A clip is known by its name alone. When its pictures change, or other weights take the name of an estimator's,
    the folder must go.

    Args:
        folder: made when the first pair is kept.
        flow: the estimator that fills it; its name says which part of the folder is read.
        progress: told of files that are damaged and estimated anew.
    """

    def __init__(self, folder: Path, flow: Flow, progress: Progress | None = None) -> None:
        self.folder, self.flow = Path(folder), flow
        self._progress = progress or Silent()

    def between(
        self,
        clip: str,
        index: int,
        other: int,
        image_rgb: npt.NDArray[np.uint8],
        other_rgb: npt.NDArray[np.uint8],
    ) -> FlowField:
        """Flow from frame `index` of a clip to frame `other`, which may come before it.

        Args:
            clip: its name, unique within the folder.
            index: of the frame whose pixels move.
            other: of the frame that they move to.
            image_rgb: uint8 (H, W, 3), frame `index`.
            other_rgb: uint8 (H, W, 3), frame `other`.

        Returns:
            float32 (H, W, 2), see Flow; to half precision from the first call on, so that every call gives the same.

        Raises:
            DatasetError: flow of another size than the frames is kept, or the estimator's is beyond float16.
            EtcEdgeError: the estimator refuses the frames, or the folder cannot be written.
        """
        path = self.path(clip, index, other)
        kept = self._read(path)
        if kept is None:
            return self._estimate(path, image_rgb, other_rgb)
        if kept.shape[:2] != image_rgb.shape[:2] or image_rgb.shape != other_rgb.shape:
            raise DatasetError(
                f"Found flow of {_size(kept)} pixels in {path}, expected that of the frames, "
                f"{_size(image_rgb)} and {_size(other_rgb)}.",
                "It was estimated at another size or for another clip of this name: give a folder of its own.",
            )
        return kept

    def path(self, clip: str, index: int, other: int) -> Path:
        """Where a pair's flow is kept."""
        return self.folder / as_file_name(self.flow.name) / as_file_name(clip) / f"{index}-{other}.npz"

    def _read(self, path: Path) -> FlowField | None:
        if not path.exists():
            return None
        try:
            return load_flow(path)
        except DatasetError as error:
            self._progress.say(f"{error.message} It is estimated anew.")
            return None

    def _estimate(self, path: Path, image_rgb: npt.NDArray[np.uint8], other_rgb: npt.NDArray[np.uint8]) -> FlowField:
        with np.errstate(over="ignore"):
            half = self.flow(image_rgb, other_rgb).astype(np.float16)
        if not np.isfinite(half).all():
            raise DatasetError(f"Found flow by {self.flow.name} beyond what float16 can hold, for {path}.")
        save_flow(half.astype(np.float32), path)
        return half.astype(np.float32)


def _size(array: npt.NDArray[np.generic]) -> str:
    return "×".join(str(side) for side in array.shape[:2])
