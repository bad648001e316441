"""What a run wrote down: `metrics.jsonl`, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from etc_edge.core.atomic import atomic_file

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

NAME = "metrics.jsonl"


class Journal:
    """One JSON object a line, each with `iteration`.

    Args:
        folder: the run's folder.
        iteration: steps already done; lines of later ones, from before an interruption, are taken out, since they
            will come again.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self._path = folder / NAME
        _keep_until(self._path, iteration)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = _board(folder / "tensorboard", iteration)

    def write(self, iteration: int, **figures: float) -> None:
        """Append the figures of a step, and send them to TensorBoard."""
        line = {"iteration": iteration, **{name: _rounded(value) for name, value in figures.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, iteration)

    def close(self) -> None:
        """Finish both."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _keep_until(path: Path, iteration: int) -> None:
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["iteration"] <= iteration:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a process that was killed while writing
    with atomic_file(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _board(folder: Path, iteration: int) -> SummaryWriter | None:
    if find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard.writer import SummaryWriter

    return SummaryWriter(str(folder), purge_step=iteration + 1)


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
