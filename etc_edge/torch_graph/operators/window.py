"""The windows that convolutions and pooling slide over an image: their pads, by the letter of ONNX."""

from __future__ import annotations

from etc_edge.torch_graph.operation import Operation


def window_pads(operation: Operation, kernel: list[int], strides: list[int], dilations: list[int]) -> list[int]:
    """Pads at the beginnings of all spatial axes and then at their ends, `auto_pad` resolved.

    Raises:
        Refusal: `auto_pad` needs a size that is not known.
    """
    kind = operation.option("auto_pad", "NOTSET")
    if kind in ("NOTSET", ""):
        return [int(pad) for pad in operation.option("pads", [0] * (2 * len(kernel)))]
    if kind == "VALID":
        return [0] * (2 * len(kernel))
    begins, ends = [], []
    for size, width, stride, dilation in zip(operation.shape(0)[2:], kernel, strides, dilations, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size)
        small = total // 2
        begins.append(small if kind == "SAME_UPPER" else total - small)
        ends.append(total - begins[-1])
    return begins + ends


def even(pads: list[int]) -> list[int] | None:
    """One pad an axis where its beginning and end have the same and none is negative, else None."""
    half = len(pads) // 2
    return pads[:half] if pads[:half] == pads[half:] and min(pads, default=0) >= 0 else None


def for_torch(pads: list[int]) -> list[int]:
    """The same pads in the order of `torch.nn.functional.pad`: the last axis first, its beginning and its end."""
    half = len(pads) // 2
    return [pads[position] for axis in reversed(range(half)) for position in (axis, axis + half)]
