"""Flow on disk: Middlebury `.flo`, and `.npz` of half the size."""

from __future__ import annotations

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import DatasetError
from etc_edge.flow.base import FlowField

# The first four bytes of a .flo file read "PIEH" as text.
TAG = 202021.25
LARGEST_PX = 1 << 16
# What numpy, zipfile and zlib raise on bytes that are not what they expect, flags and versions of zip included.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, BadZipFile, EOFError, zlib.error)


def load_flow(path: Path) -> FlowField:
    """Read flow, float32 (H, W, 2), (x, y) in pixels.

    Raises:
        DatasetError: the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise DatasetError(f"Found no flow at {path}.")
    if path.suffix.lower() == ".npz":
        return _load_npz(path)
    return _load_flo(path)


def save_flow(flow: FlowField, path: Path) -> None:
    """Write flow as `.flo`, or as `.npz` in float16, which keeps 1/128 pixel up to a displacement of 16."""
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise DatasetError(f"Found flow of shape {flow.shape}, expected (H, W, 2).")
    with atomic_file(Path(path)) as temporary:
        if Path(path).suffix.lower() == ".npz":
            np.savez_compressed(temporary, flow=flow.astype(np.float16))
        else:
            height, width = flow.shape[:2]
            header = np.array([TAG], "<f4").tobytes() + np.array([width, height], "<i4").tobytes()
            temporary.write_bytes(header + flow.astype("<f4").tobytes())


def _load_flo(path: Path) -> FlowField:
    data = path.read_bytes()
    if len(data) < 12 or np.frombuffer(data, "<f4", 1)[0] != np.float32(TAG):
        raise DatasetError(f"Found {path}, which does not begin as a .flo file does.")
    width, height = (int(size) for size in np.frombuffer(data, "<i4", 2, 4))
    if not (0 < width <= LARGEST_PX and 0 < height <= LARGEST_PX) or len(data) != 12 + 8 * width * height:
        raise DatasetError(
            f"Found {len(data)} bytes in {path}, expected {12 + 8 * width * height} for {width}×{height} pixels.",
            "The file is cut short or damaged.",
        )
    return np.frombuffer(data, "<f4", offset=12).reshape(height, width, 2).astype(np.float32)


def _load_npz(path: Path) -> FlowField:
    try:
        # Opened here: numpy leaves a file open that turns out to be none of its own.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            flow = stored["flow"].astype(np.float32)
    except _DAMAGE as error:
        raise DatasetError(f"Found {path}, which holds no array named flow that can be read.") from error
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise DatasetError(f"Found flow of shape {flow.shape} in {path}, expected (H, W, 2).")
    loaded: FlowField = flow
    return loaded
