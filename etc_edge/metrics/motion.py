"""What happens between two neighbouring frames, worked out once for all networks that are compared on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.warp import nearest_targets, warp_bilinear

# The mean absolute difference over R, G and B, in grey levels of 255, up to which a pixel counts as unchanged.
UNCHANGED_LEVELS = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """From frame t to frame t + 1.

    Args:
        flow: float32 (H, W, 2), (x, y) in pixels.
        target: intp (H, W), the pixel nearest to where each goes, as an index into the flattened frame.
        valid: bool (H, W), pixels that are compared: their flow stays in the frame and, where that is known, their
            surface is still seen.
        unchanged: bool (H, W), valid pixels that look the same at their target.
    """

    flow: npt.NDArray[np.float32]
    target: npt.NDArray[np.intp]
    valid: npt.NDArray[np.bool_]
    unchanged: npt.NDArray[np.bool_]

    def bring_back(self, next_labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The next frame's labels where each pixel goes, uint8 (H, W), by nearest sampling."""
        if next_labels.shape != self.valid.shape:
            raise EtcEdgeError(f"Found labels of shape {next_labels.shape} for flow of shape {self.valid.shape}.")
        return np.take(next_labels.ravel(), self.target)


def motion_between(
    image_rgb: npt.NDArray[np.uint8],
    next_rgb: npt.NDArray[np.uint8],
    flow: npt.NDArray[np.float32],
    visible: npt.NDArray[np.bool_] | None = None,
) -> Motion:
    """Compare two neighbouring frames along their flow.

    Args:
        image_rgb: uint8 (H, W, 3), frame t.
        next_rgb: uint8 (H, W, 3), frame t + 1.
        flow: float32 (H, W, 2), t to t + 1.
        visible: bool (H, W), pixels whose surface frame t + 1 shows; None where occlusion is not known.

    Raises:
        EtcEdgeError: the sizes differ.
    """
    if not image_rgb.shape == next_rgb.shape == (*flow.shape[:2], 3) or flow.shape[2] != 2:
        raise EtcEdgeError(
            f"Found frames of shape {image_rgb.shape} and {next_rgb.shape} and flow of shape {flow.shape}, "
            "expected one size."
        )
    warped, _ = warp_bilinear(next_rgb, flow)
    target, valid = nearest_targets(flow)
    if visible is not None:
        valid = valid & visible
    difference = np.abs(warped - image_rgb).mean(-1)
    return Motion(flow, target, valid, valid & (difference <= UNCHANGED_LEVELS))
