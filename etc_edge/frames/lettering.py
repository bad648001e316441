"""Small smooth text, drawn once and pasted ever after."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]

# OpenCV's line font is ragged at the size of a legend; drawn larger and averaged down it is not.
OVERSIZE = 4


@lru_cache(maxsize=1024)
def lettering(text: str, height_px: int) -> Mask:
    """The coverage of a line of text, uint8 (height_px, W): 255 where the letter is."""
    import cv2

    scale = height_px * OVERSIZE / 32.0
    thick = max(1, round(height_px * OVERSIZE / 13.0))
    (wide, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    wide = -(-(wide + 2 * thick) // OVERSIZE) * OVERSIZE
    large = np.zeros((height_px * OVERSIZE, wide), np.uint8)
    baseline = round(height_px * OVERSIZE * 0.77)
    cv2.putText(large, text, (thick, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thick, cv2.LINE_AA)
    small = cv2.resize(large, (wide // OVERSIZE, height_px), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def paste(image_rgb: npt.NDArray[np.uint8], mask: Mask, x: int, y: int, color: tuple[int, ...]) -> None:
    """Blend a colour, a value a channel, into an image where a mask covers it; what falls outside is left out."""
    height, width = image_rgb.shape[:2]
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + mask.shape[1], width), min(y + mask.shape[0], height)
    if right <= left or bottom <= top:
        return
    area = image_rgb[top:bottom, left:right]
    cover = mask[top - y : bottom - y, left - x : right - x, None].astype(np.uint16)
    np.copyto(area, ((area * (255 - cover) + np.array(color, np.uint16) * cover) // 255).astype(np.uint8))
