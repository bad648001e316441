"""The random transform: sampled once a sample, then applied to each of its frames and its labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from etc_edge.training.recipe import AugmentationRecipe

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Transform:
    """One drawn transform.

    Args:
        matrix: float64 (2, 3), takes (x, y, 1) of the frame, in pixels, to the crop.
        crop_hw: size of the crop.
        blur_sigma: standard deviation of the Gaussian blur in pixels of the crop, 0 for none.
        brightness, contrast, saturation: factors, 1 for no change.
    """

    matrix: npt.NDArray[np.float64]
    crop_hw: tuple[int, int]
    blur_sigma: float = 0.0
    brightness: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0

    def image(self, image_rgb: npt.NDArray[np.uint8], border_rgb: tuple[float, float, float]) -> npt.NDArray[np.uint8]:
        """Apply to a frame, uint8 (H, W, 3); what lies outside it becomes `border_rgb`."""
        import cv2

        height, width = self.crop_hw
        border = tuple(round(value) for value in border_rgb)
        out: npt.NDArray[Any] = cv2.warpAffine(
            image_rgb, self.matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )  # fmt: skip
        if self.blur_sigma > 0:
            out = cv2.GaussianBlur(out, (0, 0), self.blur_sigma)
        if (self.brightness, self.contrast, self.saturation) != (1.0, 1.0, 1.0):
            out = self._relit(out)
        return np.ascontiguousarray(out, np.uint8)

    def labels(self, labels: npt.NDArray[np.uint8], void: int) -> npt.NDArray[np.uint8]:
        """Apply to a label map, uint8 (H, W), by nearest neighbour; what lies outside becomes void."""
        import cv2

        height, width = self.crop_hw
        return np.ascontiguousarray(
            cv2.warpAffine(
                labels, self.matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT,
                borderValue=void,
            ),
            np.uint8,
        )  # fmt: skip

    def _relit(self, image_rgb: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """One colour matrix does all three: saturation about each pixel's luma, contrast about mid-grey, brightness."""
        import cv2

        luma = np.tile(np.asarray(_LUMA), (3, 1))
        saturated = self.saturation * np.eye(3) + (1.0 - self.saturation) * luma
        linear = self.brightness * self.contrast * saturated
        offset = np.full((3, 1), self.brightness * (1.0 - self.contrast) * 127.5)
        return np.asarray(cv2.transform(image_rgb, np.hstack([linear, offset])), np.uint8)


def sample_transform(recipe: AugmentationRecipe, frame_hw: tuple[int, int], rng: np.random.Generator) -> Transform:
    """Draw a transform for frames of one size.

    Scale, rotation and flip about the frame's centre, then a crop at a random place: inside the scaled frame
    where it is larger than the crop, else with the whole frame somewhere in the crop. One resampling does all.
    """
    scale = math.exp(rng.uniform(math.log(recipe.scale[0]), math.log(recipe.scale[1])))
    turn = rng.uniform(-recipe.rotation_deg, recipe.rotation_deg) if rng.random() < recipe.rotation_p else 0.0
    mirror = -1.0 if rng.random() < recipe.flip_p else 1.0
    blur = rng.uniform(0.2, 1.2) if rng.random() < recipe.blur_p else 0.0
    place_y, place_x = rng.random(2)
    light = 1.0 + recipe.jitter * rng.uniform(-1.0, 1.0, 3)

    (height, width), (crop_h, crop_w) = frame_hw, recipe.crop_hw
    cosine, sine = scale * math.cos(math.radians(turn)), scale * math.sin(math.radians(turn))
    linear = np.array([[cosine * mirror, sine], [-sine * mirror, cosine]])
    # Where the frame's centre comes to lie in the crop.
    centre = np.array(
        [
            crop_w / 2 + (place_x - 0.5) * abs(width * scale - crop_w),
            crop_h / 2 + (place_y - 0.5) * abs(height * scale - crop_h),
        ]
    )
    # Pixel centres are at whole numbers, so the middle of n pixels is (n − 1) / 2.
    offset = centre - 0.5 - linear @ np.array([(width - 1) / 2, (height - 1) / 2])
    return Transform(
        np.column_stack([linear, offset]), (crop_h, crop_w), blur, float(light[0]), float(light[1]), float(light[2])
    )
