"""`Resize` of images by its own formulas for where a pixel comes from (ONNX operator specification, Resize)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from etc_edge.torch_graph.operation import Operation, Run

Float = npt.NDArray[np.float64]

COORDINATES: dict[str, Callable[[Float, float, int, int], Float]] = {
    "half_pixel": lambda x, scale, size, out: (x + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda x, scale, size, out: (x + 0.5) / scale - 0.5 if out > 1 else x * 0.0,
    "align_corners": lambda x, scale, size, out: x * (size - 1) / (out - 1) if out > 1 else x * 0.0,
    "asymmetric": lambda x, scale, size, out: x / scale,
    "half_pixel_symmetric": lambda x, scale, size, out: (1 - out / (scale * size)) * size / 2 + (x + 0.5) / scale - 0.5,
}
"""Where the pixels `x` of an axis with `out` pixels lie on the one with `size`."""

ROUNDINGS: dict[str, Callable[[Float], Float]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(operation: Operation) -> Run:
    """`Resize` of the two last axes: nearest, linear, and cubic as torch has it."""
    operation.expect("antialias", 0)
    operation.expect("keep_aspect_ratio_policy", "stretch")
    mode, kind = operation.option("mode", "nearest"), operation.option("coordinate_transformation_mode", "half_pixel")
    if kind not in COORDINATES:
        operation.refuse(f"coordinate_transformation_mode is {kind!r}")
    before, after, scales = _sizes(operation)
    if kind == "align_corners" and any(
        out != size * scale for size, out, scale in zip(before, after, scales, strict=True)
    ):
        operation.refuse("align_corners with scales that give no whole size")
    if mode == "nearest":
        return _nearest(operation, kind, before, after, scales)
    if mode == "linear":
        return _linear(kind, before, after, scales)
    return _cubic(operation, kind, before, after, scales)


def _sizes(operation: Operation) -> tuple[tuple[int, int], tuple[int, int], tuple[float, float]]:
    """Height and width before and after, and the scales between them; other axes must stay as they are."""
    shape = operation.shape(0)
    if len(shape) != 4:
        operation.refuse(f"an operand of rank {len(shape)}, expected NCHW")
    axes = [axis % 4 for axis in operation.option("axes", range(4))]
    given, sizes = operation.constant(2), operation.integers(3, "sizes")
    scales, after = [1.0] * 4, list(shape)
    for place, axis in enumerate(axes):
        if sizes is not None:
            after[axis], scales[axis] = sizes[place], sizes[place] / shape[axis]
        elif given is not None and given.size:
            scales[axis] = float(given[place])
            after[axis] = int(np.floor(shape[axis] * scales[axis]))
    if after[:2] != list(shape[:2]):
        operation.refuse("it resizes more than height and width")
    return (shape[2], shape[3]), (after[2], after[3]), (scales[2], scales[3])


def _places(kind: str, size: int, out: int, scale: float) -> Float:
    return COORDINATES[kind](np.arange(out, dtype=np.float64), scale, size, out)


def _nearest(
    operation: Operation, kind: str, before: tuple[int, int], after: tuple[int, int], scales: tuple[float, float]
) -> Run:
    rounding = operation.option("nearest_mode", "round_prefer_floor")
    taken = [
        np.clip(ROUNDINGS[rounding](_places(kind, size, out, scale)), 0, size - 1).astype(np.int64)
        for size, out, scale in zip(before, after, scales, strict=True)
    ]
    plain = [np.arange(out) * size // out for size, out in zip(before, after, strict=True)]
    if all(np.array_equal(*pair) for pair in zip(taken, plain, strict=True)):
        return lambda data, *operands: functional.interpolate(data, after, mode="nearest")
    rows, columns = (torch.from_numpy(places) for places in taken)

    def run(data: Tensor, *operands: Tensor | None) -> Tensor:
        return data.index_select(2, rows.to(data.device)).index_select(3, columns.to(data.device))

    return run


def _linear(kind: str, before: tuple[int, int], after: tuple[int, int], scales: tuple[float, float]) -> Run:
    if kind == "align_corners":
        return lambda data, *operands: functional.interpolate(data, after, mode="bilinear", align_corners=True)
    exact = all(out == size * scale for size, out, scale in zip(before, after, scales, strict=True))
    if kind == "half_pixel" and exact:
        return lambda data, *operands: functional.interpolate(data, after, mode="bilinear", align_corners=False)
    axes = [
        _between(_places(kind, size, out, scale), size) for size, out, scale in zip(before, after, scales, strict=True)
    ]

    def run(data: Tensor, *operands: Tensor | None) -> Tensor:
        for axis, (left, right, share) in enumerate(axes, start=2):
            weight = share.to(data).reshape(-1, *[1] * (3 - axis))
            data = (
                data.index_select(axis, left.to(data.device)) * (1 - weight)
                + data.index_select(axis, right.to(data.device)) * weight
            )
        return data

    return run


def _between(places: Float, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels left and right of places, and the share of the right one; outside, the pixel at the border."""
    inside = np.clip(places, 0, size - 1)
    left = np.floor(inside)
    right = np.minimum(left + 1, size - 1)
    return tuple(torch.from_numpy(part) for part in (left.astype(np.int64), right.astype(np.int64), inside - left))  # type: ignore[return-value]


def _cubic(
    operation: Operation, kind: str, before: tuple[int, int], after: tuple[int, int], scales: tuple[float, float]
) -> Run:
    operation.expect("exclude_outside", 0)
    operation.expect("cubic_coeff_a", -0.75)
    exact = all(out == size * scale for size, out, scale in zip(before, after, scales, strict=True))
    if kind == "align_corners" or (kind == "half_pixel" and exact):
        corners = kind == "align_corners"
        return lambda data, *operands: functional.interpolate(data, after, mode="bicubic", align_corners=corners)
    return operation.refuse(f"cubic with coordinate_transformation_mode {kind!r} and scales {scales}")
