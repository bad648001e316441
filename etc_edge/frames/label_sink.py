"""Labels as PNG files, one a frame."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.pending import failure
from etc_edge.frames.sink import Sink


class LabelSink(Sink):
    """Writes `000000.png`, `000001.png`, …: 8-bit, one channel, the class number of each pixel.

    Each file appears whole. Aborting removes the files that this sink wrote, and the folder where it made that.

    Args:
        folder: where to; made if need be.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._made = not self.folder.exists()
        self._written: list[str] = []
        self._done = False

    def write(self, result: SegmentedFrame) -> None:
        """See Sink."""
        import cv2

        encoded, data = cv2.imencode(".png", result.labels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        if not encoded:
            raise SinkError(f"Could not encode the labels of frame {result.index} as PNG.")
        name = f"{result.index:06d}.png"
        # Renamed but not flushed to the disk: hundreds of flushes a minute would be slower than the network.
        part = self.folder / f".{name}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data.tobytes())
            os.replace(part, self.folder / name)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            self.abort()
            raise failure(self.folder, error) from error
        self._written.append(name)

    def close(self) -> None:
        """See Sink."""
        self._done = True

    def abort(self) -> None:
        """See Sink."""
        if self._done:
            return
        self._done = True
        for name in self._written:
            (self.folder / name).unlink(missing_ok=True)
        if self._made and self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()
