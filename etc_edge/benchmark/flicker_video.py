"""A short video of the frames where a model flickers most: its reference and it side by side, flips marked below."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from etc_edge.benchmark.marks import LOST, OTHER, enlarged, pale
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.labels import LabelSet
from etc_edge.core.pictures import FlickerVideo
from etc_edge.data.clip import ClipFrame
from etc_edge.frames.h264 import H264Track
from etc_edge.frames.lettering import lettering, paste
from etc_edge.frames.overlay import blend
from etc_edge.metrics.motion import Motion

UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]

LONGEST = 32
# Slow enough to see which labels flip, fast enough to see that they do.
FPS = 8
PANEL_PX, GAP_PX = 320, 4
OPACITY = 0.55
X264 = {"preset": "slow", "crf": "31"}
VIDEO, POSTER = "flicker.mp4", "flicker-poster.jpg"


@dataclass(frozen=True, eq=False)
class _Shot:
    """One frame at the size of a panel; counts are at the frame's own."""

    index: int
    image: UInt8
    labels: tuple[UInt8, ...]
    flips: tuple[Bool, ...]
    flipped: tuple[int, ...]
    lost: int
    looks: int


class FlickerWindow:
    """Looks on frame by frame and keeps the run of neighbours in which the last model flips most beyond the first.

    Args:
        label_set: classes and colours.
        titles: what the two models are called, the reference first.
    """

    def __init__(self, label_set: LabelSet, titles: Sequence[str]) -> None:
        self._label_set, self._titles = label_set, tuple(titles)
        self._clip, self._best_clip = "", ""
        self._recent: deque[_Shot] = deque(maxlen=LONGEST)
        self._best: list[_Shot] = []
        self._most = 0.0

    def begin_clip(self, name: str) -> None:
        """Say that the next frame begins a clip."""
        self._clip = name
        self._recent.clear()

    def add(self, frame: ClipFrame, labels: Sequence[UInt8], flips: Sequence[Bool], motion: Motion) -> None:
        """Look at a frame that has one before it.

        Args:
            frame: the frame.
            labels: uint8 (H, W) of each model.
            flips: bool (H, W) of each, where the label of the frame before is not kept although the looks are.
            motion: from the frame before to this one.
        """
        self._recent.append(_shot(frame, labels, flips, motion))
        share = sum(shot.lost / max(1, shot.looks) for shot in self._recent)
        if share > self._most:
            self._most, self._best, self._best_clip = share, list(self._recent), self._clip

    def write(self, folder: Path) -> FlickerVideo | None:
        """Write the video and its poster; None where no label flipped that the reference kept.

        Raises:
            EtcEdgeError: the folder cannot be written.
        """
        import cv2

        if len(self._best) < 2:
            return None
        _encode([self._drawn(shot) for shot in self._best], folder / VIDEO)
        poster = self._drawn(max(self._best, key=lambda shot: shot.lost))
        if not cv2.imwrite(str(folder / POSTER), poster[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80]):
            raise EtcEdgeError(f"Found no way to write the picture {folder / POSTER}.")
        looks = max(1, sum(shot.looks for shot in self._best))
        return FlickerVideo(
            clip=self._best_clip,
            first=self._best[0].index,
            frames=len(self._best),
            fps=FPS,
            titles=self._titles,
            flips=tuple(sum(shot.flipped[place] for shot in self._best) / looks for place in range(len(self._titles))),
            file=VIDEO,
            poster=POSTER,
        )

    def _drawn(self, shot: _Shot) -> UInt8:
        """Labels of each model above, its flips below, those of its own in red, uint8 (H, W, 3)."""
        import cv2

        height, width = shot.image.shape[:2]
        picture = np.full((2 * height + GAP_PX, len(shot.labels) * (width + GAP_PX) - GAP_PX, 3), 255, np.uint8)
        palette, letters_px = self._label_set.palette_rgb(), max(12, height // 14)
        # Fine texture would cost more bytes than all marks.
        ground = np.asarray(cv2.blur(pale(shot.image), (5, 5)), np.uint8)
        both = np.logical_and.reduce([enlarged(one) for one in shot.flips])
        for place, (title, labels, flips) in enumerate(zip(self._titles, shot.labels, shot.flips, strict=True)):
            left = place * (width + GAP_PX)
            above, below = blend(shot.image, labels, palette, OPACITY), ground.copy()
            below[enlarged(flips & both)] = OTHER
            below[enlarged(flips & ~both)] = LOST
            for panel, text in ((above, title), (below, f"{title}: flips")):
                _entitle(panel, text, letters_px)
            picture[:height, left : left + width] = above
            picture[height + GAP_PX :, left : left + width] = below
        return picture


def _shot(frame: ClipFrame, labels: Sequence[UInt8], flips: Sequence[Bool], motion: Motion) -> _Shot:
    import cv2

    height, width = frame.image_rgb.shape[:2]
    scale = min(1.0, PANEL_PX / width)
    size_wh = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)

    def small(picture: UInt8, how: int) -> UInt8:
        return np.asarray(cv2.resize(picture, size_wh, interpolation=how), np.uint8)

    marked = []
    for one in flips:
        # A flip is known at the pixel of the frame before; it is shown where that pixel went.
        here = np.zeros(one.size, np.uint8)
        here[motion.target[one]] = 255
        marked.append(small(here.reshape(one.shape), cv2.INTER_AREA) > 64)
    return _Shot(
        index=frame.index,
        image=small(frame.image_rgb, cv2.INTER_AREA),
        labels=tuple(small(one, cv2.INTER_NEAREST) for one in labels),
        flips=tuple(marked),
        flipped=tuple(int(one.sum()) for one in flips),
        lost=int((flips[-1] & ~flips[0]).sum()),
        looks=int(motion.unchanged.sum()),
    )


def _entitle(panel: UInt8, text: str, letters_px: int) -> None:
    mask = lettering(text, letters_px)
    box = panel[: letters_px + 6, : mask.shape[1] + 10]
    box[:] = box // 4
    paste(panel, mask, 5, 3, (255, 255, 255))


def _encode(pictures: Sequence[UInt8], path: Path) -> None:
    import av

    try:
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
            size_hw = pictures[0].shape[0], pictures[0].shape[1]
            track = H264Track(container, size_hw, Fraction(FPS), Fraction(1, FPS), X264, 1)
            for time, picture in enumerate(pictures):
                track.write(picture, time)
            track.finish()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise EtcEdgeError(f"Found no way to write the video {path}: {error}.") from error
