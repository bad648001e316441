"""RAFT as an estimator of flow: `raft:FILE` or `raft:FILE?iterations=12`."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import CheckpointError, EtcEdgeError
from etc_edge.core.optional import require
from etc_edge.core.table import nearest
from etc_edge.flow.base import FlowField

SCHEME = "raft"
FORM = f"{SCHEME}:FILE or {SCHEME}:FILE?iterations=12"
ITERATIONS = 12
# The network works on eighths, and its coarsest scale halves those three times: 64 pixels leave one there.
MULTIPLE_PX, LEAST_PX = 8, 64


class RaftFlow:
    """See Flow. Slower than DIS by far, and its memory grows with the square of the picture's area (see `Raft`).

    Its name tells the weights (the file's name without `raft-` and extension) and the iterations: `raft-things-12`.

    Args:
        weights: a checkpoint of RAFT's large model in its authors' form.
        iterations: how often the estimate is updated; the paper trains with 12 and evaluates with up to 32.

    Raises:
        CheckpointError: no such file, or not the weights of that network.
        DependencyError: torch is not installed.
    """

    def __init__(self, weights: Path, iterations: int = ITERATIONS) -> None:
        if not weights.is_file():
            raise CheckpointError(f"Found no weights of RAFT at {weights}.", f"Expected {FORM}.")
        require("torch", "train", "optical flow by RAFT")
        from etc_edge.flow.raft.checkpoint import load_raft

        self.name = f"{SCHEME}-{weights.stem.removeprefix(f'{SCHEME}-')}-{iterations}"
        self.iterations = iterations
        self._network = load_raft(weights)

    def __call__(self, image_rgb: npt.NDArray[np.uint8], next_rgb: npt.NDArray[np.uint8], /) -> FlowField:
        """See Flow.

        Raises:
            EtcEdgeError: the frames differ in size, or are no RGB frames.
        """
        if image_rgb.shape != next_rgb.shape or image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
            raise EtcEdgeError(
                f"Found frames of shape {image_rgb.shape} and {next_rgb.shape} for optical flow, "
                "expected one size (H, W, 3)."
            )
        torch: Any = require("torch", "train", "optical flow by RAFT")
        height, width = image_rgb.shape[:2]
        (top, bottom), (left, right) = margins(height), margins(width)
        padding = ((top, bottom), (left, right), (0, 0))
        images, following = (
            torch.from_numpy(as_network_input(np.pad(image, padding, "edge"))) for image in (image_rgb, next_rgb)
        )
        with torch.inference_mode():
            flow = self._network(images, following, self.iterations)[0].numpy()
        return np.ascontiguousarray(flow[:, top : top + height, left : left + width].transpose(1, 2, 0))


def margins(size_px: int) -> tuple[int, int]:
    """Pixels to add before and after, so that a side is a multiple of 8 and at least 64."""
    wanted = max(LEAST_PX, -(-size_px // MULTIPLE_PX) * MULTIPLE_PX)
    before = (wanted - size_px) // 2
    return before, wanted - size_px - before


def as_network_input(image_rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 (H, W, 3) from 0 to 255 as float32 (1, 3, H, W) from −1 to 1, as RAFT was trained: 2·x/255 − 1."""
    return np.ascontiguousarray(2 * (image_rgb.transpose(2, 0, 1)[None] / np.float32(255)) - 1)


def open_raft(place: str) -> RaftFlow:
    """Open `FILE` or `FILE?iterations=12`.

    Raises:
        EtcEdgeError: no file is named, or a setting is unknown or no number of at least 1.
        CheckpointError: no such file, or not the weights of RAFT.
        DependencyError: torch is not installed.
    """
    file, mark, query = place.rpartition("?")
    if not mark or Path(place).is_file():  # a question mark can belong to the file's name
        file, query = place, ""
    if not file:
        raise EtcEdgeError(f"Found no weights after {SCHEME}:, expected {FORM}.")
    return RaftFlow(Path(file).expanduser(), _iterations(query))


def _iterations(query: str) -> int:
    settings = {"iterations": str(ITERATIONS)}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise EtcEdgeError(f"Found {query!r} after the weights of RAFT, expected {FORM}.") from error
    for key, value in pairs:
        if key not in settings:
            raise EtcEdgeError(f"Found the setting {key!r} of RAFT.", nearest(key, list(settings)))
        settings[key] = value
    text = settings["iterations"]
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise EtcEdgeError(f"Found iterations={text!r} for RAFT, expected a whole number of at least 1.")
    return int(text)
