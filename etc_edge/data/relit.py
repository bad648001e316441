"""Clips in another light and from another place: what a network that knows their frames has not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt

from etc_edge.data.clip import Clip, ClipFrame

GAIN, GAMMA, CAST = 0.35, 0.3, 0.08
"""Largest natural logarithms of what the light is multiplied by, of its exponent, and of one colour's own factor."""

ZOOM, SHIFT, BLUR_PX, NOISE_LEVELS = (0.75, 1.3), 0.05, 1.0, 2.0
"""Range of sizes, largest shift in parts of the width, largest blur (standard deviation), and the sensor's noise."""

LEAST_BLUR_PX = 0.3
"""Below this a Gaussian is no wider than a pixel."""


@dataclass(frozen=True)
class Relit:
    """A clip as another camera would have seen it: mirrored or not, nearer or farther, in another light, less sharp.

    All its frames are changed alike, so that they stay neighbours; noise is each frame's own. What was outside of the
    picture is mirrored at its edge; it is void in the labels and not seen in the next frame. See Clip.

    Args:
        clip: the clip.
        void: the label of what is not scored.
    """

    clip: Clip
    void: int

    @property
    def name(self) -> str:
        """See Clip."""
        return f"{self.clip.name}+relit"

    @property
    def fps(self) -> Fraction | None:
        """See Clip."""
        return self.clip.fps

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return self.clip.labelled

    def __len__(self) -> int:
        return len(self.clip)

    def __getitem__(self, index: int, /) -> ClipFrame:
        frame, view = self.clip[index], self._view
        noise = np.random.default_rng((view.seed, index))
        height, width = frame.image_rgb.shape[:2]
        pose = view.pose(height, width)
        return replace(
            frame,
            image_rgb=view.lit(_moved(frame.image_rgb, pose), noise),
            labels=None if frame.labels is None else _moved_exactly(frame.labels, pose, self.void),
            flow_to_next=None if frame.flow_to_next is None else _moved_flow(frame.flow_to_next, pose),
            visible_in_next=self._visible(frame, pose),
        )

    def _visible(self, frame: ClipFrame, pose: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_] | None:
        if frame.flow_to_next is None:
            return None
        seen = np.ones(frame.image_rgb.shape[:2], np.uint8)
        if frame.visible_in_next is not None:
            seen = frame.visible_in_next.astype(np.uint8)
        return _moved_exactly(seen, pose, 0).astype(np.bool_)

    @cached_property
    def _view(self) -> _View:
        return _View.drawn(crc32(self.name.encode()))


@dataclass(frozen=True)
class Takes:
    """Clips of one place behind one another, as one: a bootstrap draws them together. See Clip.

    Between the last frame of one and the first of the next nothing is seen to stay.
    """

    takes: tuple[Clip, ...]

    @property
    def name(self) -> str:
        """See Clip."""
        return self.takes[0].name

    @property
    def fps(self) -> Fraction | None:
        """See Clip."""
        return None

    @property
    def labelled(self) -> Sequence[int]:
        """See Clip."""
        return [begin + index for begin, take in self._places() for index in take.labelled]

    def __len__(self) -> int:
        return sum(map(len, self.takes))

    def __getitem__(self, index: int, /) -> ClipFrame:
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin, take = next(place for place in reversed(self._places()) if place[0] <= index)
        frame = replace(take[index - begin], index=index)
        if index - begin < len(take) - 1:
            return frame
        size_hw = frame.image_rgb.shape[:2]
        return replace(
            frame,
            flow_to_next=np.zeros((*size_hw, 2), np.float32),
            visible_in_next=np.zeros(size_hw, np.bool_),
        )

    def _places(self) -> list[tuple[int, Clip]]:
        begins = np.cumsum([0, *map(len, self.takes[:-1])]).tolist()
        return list(zip(begins, self.takes, strict=True))


@dataclass(frozen=True)
class _View:
    seed: int
    mirrored: bool
    zoom: float
    shift: tuple[float, float]
    light: npt.NDArray[np.float64]
    gamma: float
    blur_px: float

    @classmethod
    def drawn(cls, seed: int) -> _View:
        random = np.random.default_rng(seed)
        log_gain, log_gamma = random.uniform(-GAIN, GAIN), random.uniform(-GAMMA, GAMMA)
        x, y = random.uniform(-SHIFT, SHIFT, 2)
        return cls(
            seed=seed,
            mirrored=bool(random.random() < 0.5),
            zoom=random.uniform(*ZOOM),
            shift=(float(x), float(y)),
            light=np.exp(log_gain + random.uniform(-CAST, CAST, 3)),
            gamma=math.exp(log_gamma),
            blur_px=random.uniform(0, BLUR_PX),
        )

    def pose(self, height: int, width: int) -> npt.NDArray[np.float64]:
        """An affine map from a pixel (x, y) of the clip's frame to its place in this one, (2, 3)."""
        sides = np.array([-self.zoom if self.mirrored else self.zoom, self.zoom])
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
        return np.concatenate([np.diag(sides), (middle - sides * middle + width * np.array(self.shift))[:, None]], 1)

    def lit(self, image_rgb: npt.NDArray[np.uint8], noise: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Frames of this camera: blurred, in this light, with noise; uint8 (H, W, 3)."""
        import cv2

        if self.blur_px > LEAST_BLUR_PX:
            image_rgb = np.asarray(cv2.GaussianBlur(image_rgb, (0, 0), self.blur_px), np.uint8)
        # 256 grey levels: the light is a table of them.
        levels = 255 * (np.arange(256) / 255) ** self.gamma
        lit = np.stack([(levels * factor)[image_rgb[..., one]] for one, factor in enumerate(self.light)], -1)
        return np.clip(np.rint(lit + noise.normal(0, NOISE_LEVELS, lit.shape)), 0, 255).astype(np.uint8)


def _moved(image_rgb: npt.NDArray[np.uint8], pose: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = image_rgb.shape[:2]
    return np.asarray(cv2.warpAffine(image_rgb, pose, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def _moved_exactly(values: npt.NDArray[np.uint8], pose: npt.NDArray[np.float64], outside: int) -> npt.NDArray[np.uint8]:
    import cv2

    height, width = values.shape
    return np.asarray(
        cv2.warpAffine(
            values, pose, (width, height), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=outside
        ),
        np.uint8,
    )


def _moved_flow(flow: npt.NDArray[np.float32], pose: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Flow between frames that are both seen in a pose: its vectors are turned and stretched as the picture is."""
    import cv2

    height, width = flow.shape[:2]
    moved = cv2.warpAffine(flow, pose, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(moved @ pose[:, :2].T, np.float32)
