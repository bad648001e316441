"""The recipe of `etc-edge quantize`."""

from __future__ import annotations

import msgspec

from etc_edge.quantization.weights import Granularity


class CalibrationRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which frames to calibrate on.

    Args:
        list: a calibration list, by path or by the name of a shipped one; None spreads `frames` over `split`.
        split: the split to take frames from, where there is no list.
        frames: how many, where there is no list.
    """

    list: str | None = None
    split: str = "train"
    frames: int = 300


class QuantizeRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to go from FP32 to INT8.

    Args:
        observer: what chooses a range from what was seen: minmax, moving_average, percentile, entropy or mse.
        calibration: the frames that are looked at.
        equalize: give every channel of an activation a like share of its 8 bits first.
        weights: a scale for each output channel of a weight (channel), or one for the whole of it (tensor).
        bias_correction: take what rounded weights add to the mean of each channel off its bias.
        keep_float: names of operators that stay in float, as `etc-edge inspect` lists them.
    """

    observer: str = "mse"
    calibration: CalibrationRecipe = CalibrationRecipe()
    equalize: bool = True
    weights: Granularity = "channel"
    bias_correction: bool = False
    keep_float: list[str] = []
