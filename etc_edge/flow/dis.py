"""Dense inverse search (Kroeger et al., ECCV 2016), as OpenCV has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.base import FlowField

# DIS looks for motion on patches of eight pixels; below this size nothing is left at its coarsest scale.
LEAST_PX = 16


class DisFlow:
    """See Flow. Works on grey values; one instance a thread.

    Args:
        preset: `ultrafast`, `fast` or `medium`.
    """

    def __init__(self, preset: str) -> None:
        import cv2

        presets = {
            "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
            "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
            "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
        }
        self.name = f"dis-{preset}"
        self._dis: Any = cv2.DISOpticalFlow.create(presets[preset])

    def __call__(self, image_rgb: npt.NDArray[np.uint8], next_rgb: npt.NDArray[np.uint8], /) -> FlowField:
        """See Flow.

        Raises:
            EtcEdgeError: the frames differ in size or are smaller than 16 pixels.
        """
        import cv2

        if image_rgb.shape != next_rgb.shape or min(image_rgb.shape[:2]) < LEAST_PX:
            raise EtcEdgeError(
                f"Found frames of {image_rgb.shape[:2]} and {next_rgb.shape[:2]} pixels for optical flow, "
                f"expected one size of at least {LEAST_PX} each way."
            )
        grey, next_grey = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (image_rgb, next_rgb))
        # No initial flow: even one of zeros makes OpenCV skip its own start on the coarsest scale and do worse.
        return np.asarray(self._dis.calc(grey, next_grey, None), np.float32)


def ultrafast() -> DisFlow:
    """The preset for many frames a second."""
    return DisFlow("ultrafast")


def fast() -> DisFlow:
    """The preset in between."""
    return DisFlow("fast")


def medium() -> DisFlow:
    """The preset that results are measured with unless told otherwise."""
    return DisFlow("medium")
