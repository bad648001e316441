"""Small image files for the tests of data sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def write_image(path: Path, size_hw: tuple[int, int] = (12, 16), red: int = 200) -> None:
    """A plain image whose red channel is `red` and whose blue channel is 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image_bgr = np.zeros((*size_hw, 3), np.uint8)
    image_bgr[..., 2] = red
    assert cv2.imwrite(str(path), image_bgr)


def write_labels(path: Path, size_hw: tuple[int, int] = (12, 16), value: int = 1) -> None:
    """A label map of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full(size_hw, value, np.uint8))


def write_classes(root: Path, names: str = "road, car, sky", more: str = "") -> None:
    """A classes.yaml."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.yaml").write_text(f"names: [{names}]\n{more}", encoding="utf-8")
