"""From logits at the network's stride to one label a pixel: bilinear upsampling and argmax, computed where it matters.

The labels are bit for bit those of ONNX's `Resize` (float32, bilinear) and `ArgMax` as ONNX Runtime computes them.
Where class k is the largest at all four samples around a pixel it is the largest at the pixel, because a value there
is w1·a + w2·b + w3·c + w4·d with weights ≥ 0. It is so in float32 too, since a rounded product or sum never falls when
what goes into it rises. Only a tie can come from rounding, and a tie goes to the first class: so k also has to lead the
classes before it by more than rounding can take away. All other cells are computed, but only with the classes that may
win there: those that somewhere reach what another class has everywhere. That is done in the cheapest order of
operations first (`lerp`), and where its roundings might matter once more in ONNX Runtime's (`bilinear`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from etc_edge.backends.bilinear import Axis, Float, Indices, Largest, UInt8, Upsampling
from etc_edge.backends.lerp import LEAD, largest_of, wins
from etc_edge.backends.scratch import Scratch
from etc_edge.core.errors import EngineError

Mask = npt.NDArray[np.bool_]
Scalar = TypeVar("Scalar", bound=np.generic)
T = TypeVar("T")

# A value is a sum of four products of three factors, off by at most 4 units of 2⁻²⁴ of the largest logit, and two
# values by 8 together; twice that, for second order and for weights whose sum is not quite 1.
ROUNDING = np.float32(2.0**-20)

# Values that are computed together: few enough for the processor's cache, and many enough that numpy's cost of a call
# does not show.
VALUES_TOGETHER = 2**17

HEAD = "head.json"


class HeadPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `head.json` in a compiled form says: that its graph ends in logits, and how they become labels."""

    upsampling: Upsampling
    size_hw: tuple[int, int]

    @classmethod
    def read(cls, folder: Path) -> HeadPlan | None:
        """The plan of a compiled form, or None where its graph gives labels by itself.

        Raises:
            EngineError: the file is damaged.
        """
        path = folder / HEAD
        if not path.is_file():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise EngineError(f"etc-edge could not load {path}: {error}.", "Compile the bundle again.") from error

    def write(self, folder: Path) -> None:
        """Put the plan beside the compiled graph."""
        (folder / HEAD).write_bytes(msgspec.json.encode(self))

    def head(self, logits_shape: tuple[int, ...], threads: int) -> LabelsHead:
        """The head for logits of a shape (1, classes, h, w)."""
        return LabelsHead((logits_shape[2], logits_shape[3]), self.size_hw, self.upsampling, threads)


def output_of(plan: HeadPlan | None, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An array for what a graph gives: float32 logits (1, classes, h, w), or uint8 labels (1, H, W) without a plan.

    Raises:
        EngineError: the graph's output has another shape.
    """
    if len(shape) != (3 if plan is None else 4):
        raise EngineError(f"Found an engine that gives {shape}, expected {'labels' if plan is None else 'logits'}.")
    return np.zeros(shape, np.uint8 if plan is None else np.float32)


class LabelsHead:
    """Upsamples logits bilinearly and takes the first of the largest classes, as `Resize` and `ArgMax` do.

    One thread at a time may call it.

    Args:
        size_hw: height and width of the logits.
        out_hw: height and width of the labels, in pixels.
        upsampling: where samples lie.
        threads: that compute at the same time.

    Raises:
        EngineError: no such upsampling, or a size below 1.
    """

    def __init__(
        self, size_hw: tuple[int, int], out_hw: tuple[int, int], upsampling: Upsampling, threads: int = 1
    ) -> None:
        if upsampling not in get_args(Upsampling):
            known = ", ".join(get_args(Upsampling))
            raise EngineError(f"Found the upsampling {upsampling!r}, expected one of {known}.")
        if min(*size_hw, *out_hw, threads) < 1:
            raise EngineError(
                f"Found {size_hw} logits, {out_hw} labels, {threads} threads, expected 1 or more of each."
            )
        self.size_hw, self.out_hw = size_hw, out_hw
        self._rows, self._columns = (
            Axis.between(size, out, upsampling) for size, out in zip(size_hw, out_hw, strict=True)
        )
        self._pool = ThreadPoolExecutor(threads, "etc-edge head") if threads > 1 else None
        self._scratch = Scratch()

    def __call__(self, logits: Float) -> UInt8:
        """Labels of one frame.

        Args:
            logits: float32 (classes, *size_hw), finite; at most 256 classes.

        Returns:
            uint8 of `out_hw`, a fresh array.

        Raises:
            EngineError: another shape or dtype.
        """
        if logits.ndim != 3 or logits.shape[1:] != self.size_hw or logits.dtype != np.float32:
            expected = f"float32 (classes, {self.size_hw[0]}, {self.size_hw[1]})"
            raise EngineError(f"Found logits {logits.dtype} {logits.shape}, expected {expected}.")
        slack = ROUNDING * np.float32(max(logits.max(), -logits.min())) + np.finfo(np.float32).tiny
        label, close = _first_largest(logits, slack)
        possible = _possible(logits, slack, self._scratch)
        undecided = _undecided(label, close, self._scratch)
        counts = np.where(undecided, possible.sum(0, dtype=np.uint16), np.uint16(0))
        counts = counts.take(self._columns.tile_before, 1).take(self._rows.tile_before, 0).reshape(-1)
        labels = label.take(self._columns.before, 1).take(self._rows.before, 0)
        # Those with as many candidates stand together: each is computed for as many as the first of its part.
        tiles = np.flatnonzero(counts)
        tiles = tiles[np.argsort(~counts[tiles], kind="stable")]
        unsure = self._share(counts, tiles, lambda part: self._label(logits, possible, part, labels))
        if unsure:
            self._share(
                counts, np.concatenate(unsure), lambda part: self._label_exactly(logits, possible, part, labels)
            )
        return labels

    def close(self) -> None:
        """End its threads; closing twice does no harm."""
        if self._pool is not None:
            self._pool.shutdown()

    def _share(self, counts: npt.NDArray[np.uint16], tiles: Indices, work: Callable[[Indices], T]) -> list[T]:
        """Do `work` on some tiles at a time, in every thread there is; `counts` are candidates of all tiles."""
        tall, wide = len(self._rows.tile_pixels), len(self._columns.tile_pixels)
        several = int(np.count_nonzero(counts[tiles] > 2))
        parts, begin = [], 0
        while begin < len(tiles):
            # Of two classes all rows are computed at once, of more a row after the other.
            values = wide * max(int(counts[tiles[begin]]), tall)
            end = begin + max(1, VALUES_TOGETHER // values)
            parts.append(tiles[begin : min(end, several) if begin < several else end])
            begin += len(parts[-1])
        share = map if self._pool is None or len(parts) < 2 else self._pool.map
        return list(share(work, parts))

    def _label(self, logits: Float, possible: Mask, tiles: Indices, labels: UInt8) -> Indices:
        """Compute some tiles, each with the classes that are possible in it; those with most of them come first.

        Returns:
            Those of them that rounding leaves unsure.
        """
        y, x, corners = self._placed(tiles)
        down, across = self._rows.far[y], self._columns.far[x]
        numbers, samples = _candidates(logits, possible, corners)
        lead = LEAD * np.abs(samples).max() + np.finfo(np.float32).tiny
        if len(numbers) == 2:
            second, sure = wins(samples[:, 1] - samples[:, 0], down, across, lead, self._scratch)
            label = numbers[0] + second.view(np.uint8) * (numbers[1] - numbers[0])
        else:
            label, sure = largest_of(samples, numbers, down, across, lead, self._scratch)
        places = self._scratch.array("places", label.shape, np.intp)
        np.add(y[:, None] * self.out_hw[1], x, out=places)
        labels.reshape(-1)[places] = label
        return tiles[~sure]

    def _label_exactly(self, logits: Float, possible: Mask, tiles: Indices, labels: UInt8) -> None:
        """As `_label`, with every rounding as ONNX Runtime has it."""
        y, x, corners = self._placed(tiles)
        which, classes = np.nonzero(possible.reshape(len(logits), -1).take(corners[0], 1).T)
        counts = np.bincount(which)
        begins = np.cumsum(counts) - counts
        # (row in the tile, column in it, tile): the last axis is long and lies together in memory.
        rows, columns = y[:, None], x[None]
        down, across = self._rows, self._columns
        largest = Largest(across.near[columns], across.far[columns], down.near[rows], down.far[rows])
        plane = self.size_hw[0] * self.size_hw[1]
        for rank in range(int(counts[0])):
            count = int(np.count_nonzero(counts > rank))
            chosen = classes[begins[:count] + rank]
            samples = logits.reshape(-1).take(corners[:, :count] + chosen * plane)
            largest.offer(list(samples), chosen.astype(np.uint8), count)
        labels.reshape(-1)[rows * self.out_hw[1] + columns] = largest.label

    def _placed(self, tiles: Indices) -> tuple[Indices, Indices, Indices]:
        """Rows (rows, tiles) and columns (columns, tiles) of tiles' pixels, and the samples (4, tiles) around them."""
        (height, width), down, across = self.size_hw, self._rows, self._columns
        rows, columns = np.divmod(tiles, len(across.tile_before))
        top, left = down.tile_before[rows], across.tile_before[columns]
        below, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
        corners = np.stack([top * width + left, top * width + right, below * width + left, below * width + right])
        return down.tile_pixels.take(rows, 1), across.tile_pixels.take(columns, 1), corners


def _candidates(logits: Float, possible: Mask, corners: Indices) -> tuple[UInt8, Float]:
    """Classes that may win in tiles, uint8 (candidates, tiles or 1), and their samples (4, candidates, tiles).

    The first tile has most of them. Where others have fewer, the rest is below all other samples.
    """
    flat = logits.reshape(len(logits), -1)
    may_win = possible.reshape(flat.shape).take(corners[0], 1)
    most = int(np.count_nonzero(may_win[:, 0]))
    if 2 * most > len(logits):
        everything = np.arange(len(logits), dtype=np.uint8)[:, None]
        return everything, flat.take(corners, 1).transpose(1, 0, 2)
    which, classes = np.nonzero(may_win.T)
    counts = np.bincount(which)
    rank = np.arange(most)[:, None]
    chosen = classes[np.cumsum(counts) - counts + np.minimum(rank, counts - 1)]
    samples = logits.reshape(-1).take(chosen * flat.shape[1] + corners[:, None])
    if counts[-1] < most:
        np.copyto(samples, -2 * np.abs(samples).max(), where=rank >= counts)
    return chosen.astype(np.uint8), samples


def _first_largest(logits: Float, slack: np.float32) -> tuple[UInt8, Mask]:
    """The first of the largest classes at each sample, and where it leads the classes before it by no more than slack.

    The second may also be set where two other classes came close; that costs time and changes nothing.
    """
    best, label = logits[0].copy(), np.zeros(logits.shape[1:], np.uint8)
    lead, greater = np.empty_like(best), np.empty(best.shape, bool)
    narrow, close = np.empty(best.shape, bool), np.zeros(best.shape, bool)
    for index, plane in enumerate(logits[1:], start=1):
        np.subtract(plane, best, out=lead)
        np.greater(plane, best, out=greater)
        np.less_equal(lead, slack, out=narrow)
        narrow &= greater
        close |= narrow
        np.maximum(label, greater.view(np.uint8) * np.uint8(index), out=label)
        np.maximum(best, plane, out=best)
    return label, close


def _undecided(label: UInt8, close: Mask, scratch: Scratch) -> Mask:
    """Cells, by their upper left sample, whose corners differ or are close to a tie."""
    undecided = _over_cells(np.logical_or, close, "undecided", scratch)
    across = label[:, :-1] != label[:, 1:]
    undecided[:, :-1] |= across
    undecided[:-1, :-1] |= across[1:]
    undecided[:-1] |= label[:-1] != label[1:]
    return undecided


def _possible(logits: Float, slack: np.float32, scratch: Scratch) -> Mask:
    """Which classes may win in each cell, (classes, *size_hw), by the cells' upper left samples."""
    floor = _over_cells(np.minimum, logits, "samples", scratch).max(0)
    highest = _over_cells(np.maximum, logits, "samples", scratch)
    possible = scratch.array("possible", logits.shape, np.bool_)
    np.greater_equal(highest, floor - slack, out=possible)
    return possible


def _over_cells(reduce: np.ufunc, samples: npt.NDArray[Scalar], name: str, scratch: Scratch) -> npt.NDArray[Scalar]:
    """Each sample with those to its right, below and below right; on the border with what there is."""
    kind = samples.dtype.type
    across, reduced = (scratch.array(f"{name} {what}", samples.shape, kind) for what in ("across", "reduced"))
    # Through row ends, because one long loop is faster than many short ones; what that mixes is put right.
    reduce(samples.reshape(-1)[:-1], samples.reshape(-1)[1:], out=across.reshape(-1)[:-1])
    across[..., -1] = samples[..., -1]
    reduce(across[..., :-1, :], across[..., 1:, :], out=reduced[..., :-1, :])
    reduced[..., -1, :] = across[..., -1, :]
    return reduced
