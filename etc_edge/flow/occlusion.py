"""Which pixels are still seen in the next frame, judged from flow both ways."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from etc_edge.flow.base import Flow, FlowField
from etc_edge.flow.warp import warp_bilinear

SHARE, SLACK_PX2 = 0.01, 0.5


def visible_by_both_ways(forward: FlowField, backward: FlowField) -> npt.NDArray[np.bool_]:
    """Pixels that flow forward and back again to where they were.

    A pixel is visible when |f + b'|² < 0.01 (|f|² + |b'|²) + 0.5, where b' is the backward flow at its target
    (Sundaram, Brox and Keutzer, ECCV 2010), and its target lies in the frame.

    Args:
        forward: float32 (H, W, 2), this frame to the next.
        backward: float32 (H, W, 2), the next frame to this one.
    """
    returned, inside = warp_bilinear(backward, forward)
    mismatch = np.square(forward + returned).sum(-1)
    length = np.square(forward).sum(-1) + np.square(returned).sum(-1)
    visible: npt.NDArray[np.bool_] = inside & (mismatch < SHARE * length + SLACK_PX2)
    return visible


def flow_and_visibility(
    flow: Flow, image_rgb: npt.NDArray[np.uint8], other_rgb: npt.NDArray[np.uint8]
) -> tuple[FlowField, npt.NDArray[np.bool_]]:
    """Flow from one frame to another, and where the other still shows what the first does; see `visible_by_both_ways`.

    The estimator runs twice, once each way.

    Args:
        flow: an estimator.
        image_rgb: uint8 (H, W, 3).
        other_rgb: uint8 (H, W, 3).

    Returns:
        Flow, float32 (H, W, 2), and visibility, bool (H, W), both of `image_rgb`'s pixels.

    Raises:
        EtcEdgeError: the estimator refuses the frames.
    """
    forward = flow(image_rgb, other_rgb)
    return forward, visible_by_both_ways(forward, flow(other_rgb, image_rgb))
