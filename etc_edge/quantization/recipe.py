"""The recipe of `etc-edge quantize`."""

from __future__ import annotations

from typing import Annotated

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


class RefineRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How ranges are tried on the whole network, after an observer has chosen each by itself.

    Args:
        steadiness: weight of how the error of the logits changes along the motion, beside the error itself; 0 looks
            at the error alone.
        pairs: neighbouring frames to try on; a quarter is held back to judge what came out.
        tensors: how many are tried, those first that cost most.
    """

    steadiness: Annotated[float, msgspec.Meta(ge=0.0, le=1000.0)] = 3.0
    pairs: Annotated[int, msgspec.Meta(ge=2)] = 24
    tensors: Annotated[int, msgspec.Meta(ge=1)] = 30


class QuantizeRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to go from FP32 to INT8.

    Args:
        observer: what chooses a range from what was seen: minmax, moving_average, percentile, entropy or mse.
        calibration: the frames that are looked at.
        equalize: give every channel of an activation a like share of its 8 bits first.
        weights: a scale for each output channel of a weight (channel), or one for the whole of it (tensor).
        bias_correction: take what rounded weights add to the mean of each channel off its bias.
        refine: how ranges are tried on the whole network; None where they are left as the observer chose them.
        keep_float: names of operators that stay in float, as `etc-edge inspect` lists them.
    """

    observer: str = "mse"
    calibration: CalibrationRecipe = CalibrationRecipe()
    equalize: bool = True
    weights: Granularity = "channel"
    bias_correction: bool = False
    refine: RefineRecipe | None = None
    keep_float: list[str] = []
