"""Pictures of an evaluation: the frames where models differ most, where labels flicker, and a video of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from etc_edge.benchmark.flicker_video import FlickerWindow
from etc_edge.benchmark.marks import LOST, OTHER, WON, enlarged, pale
from etc_edge.core.atomic import atomic_directory
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.labels import LabelSet
from etc_edge.core.pictures import INDEX, FlickerMap, Pictures, WorstFrame
from etc_edge.core.results import Data
from etc_edge.data.clip import ClipFrame
from etc_edge.metrics.motion import Motion

UInt8 = npt.NDArray[np.uint8]

WORST, MAPS = 3, 3
WIDTH_PX = 400
# Neighbours look alike: worst frames of one clip are at least so many frames apart.
APART = 8


@dataclass(frozen=True, eq=False)
class _Candidate:
    clip: str
    frame: ClipFrame
    labels: list[UInt8]
    differing: float


@dataclass
class PictureGatherer:
    """Looks on while models are evaluated; keeps a few frames, however many there are.

    Args:
        label_set: classes and colours.
        titles: what the models are called, the measured one first, then the reference where there is one.
    """

    label_set: LabelSet
    titles: tuple[str, ...]
    _worst: list[_Candidate] = field(default_factory=list)
    _maps: list[tuple[float, str, UInt8]] = field(default_factory=list)
    _clip: str = ""
    _ground: UInt8 | None = None
    _flips: npt.NDArray[np.uint16] | None = None
    _looks: npt.NDArray[np.uint16] | None = None

    def __post_init__(self) -> None:
        # The reference stands before the model, as in tables.
        self._window = FlickerWindow(self.label_set, self.titles[::-1])

    def begin_clip(self, name: str) -> None:
        """Say that the next frame begins a clip."""
        self._finish_map()
        self._clip, self._ground, self._flips, self._looks = name, None, None, None
        self._window.begin_clip(name)

    def add(
        self, frame: ClipFrame, labels: Sequence[UInt8], previous: Sequence[UInt8 | None], motion: Motion | None
    ) -> None:
        """Look at the clip's next frame.

        Args:
            frame: the frame and its ground truth.
            labels: uint8 (H, W) of each model.
            previous: those of the frame before, or None.
            motion: from the frame before to this one, or None for a clip's first.
        """
        self._consider(frame, labels)
        if self._ground is None:
            self._ground = frame.image_rgb
        if motion is not None and previous[0] is not None and self._ground.shape[:2] == motion.valid.shape:
            self._count_flips(frame, labels, [one for one in previous if one is not None], motion)

    def write(self, folder: Path, data: Data, model_sha256: str, reference_sha256: str | None) -> None:
        """Write pictures and their index, whole or not at all.

        Raises:
            EtcEdgeError: the folder cannot be written.
        """
        self._finish_map()
        with atomic_directory(folder) as temporary:
            worst = [
                WorstFrame(
                    clip=one.clip,
                    index=one.frame.index,
                    differing=one.differing,
                    files={
                        title: _save(
                            temporary, f"worst-{number}-{place}", image, photo=title in ("frame", "difference")
                        )
                        for place, (title, image) in enumerate(self._drawn(one).items())
                    },
                )
                for number, one in enumerate(self._worst)
            ]
            flicker = [
                FlickerMap(clip=clip, share=share, file=_save(temporary, f"flicker-{number}", image, photo=True))
                for number, (share, clip, image) in enumerate(self._maps)
            ]
            index = Pictures(
                model_sha256=model_sha256,
                data=data,
                reference_sha256=UNSET if reference_sha256 is None else reference_sha256,
                worst=worst,
                flicker=flicker,
                video=self._window.write(temporary) or UNSET,
            )
            (temporary / INDEX).write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n")

    def _consider(self, frame: ClipFrame, labels: Sequence[UInt8]) -> None:
        other = labels[1] if len(labels) > 1 else frame.labels
        if other is None:
            return
        differing = float(np.mean((labels[0] != other) & (other != self.label_set.void)))
        near = [one for one in self._worst if one.clip == self._clip and frame.index - one.frame.index < APART]
        if not differing or any(one.differing >= differing for one in near):
            return
        kept = [one for one in self._worst if not any(one is less for less in near)]
        kept.append(_Candidate(self._clip, frame, list(labels), differing))
        self._worst = sorted(kept, key=lambda one: -one.differing)[:WORST]

    def _count_flips(
        self, frame: ClipFrame, labels: Sequence[UInt8], previous: Sequence[UInt8], motion: Motion
    ) -> None:
        each = [
            motion.unchanged & (before != motion.bring_back(now)) for now, before in zip(labels, previous, strict=True)
        ]
        flips = each[0] if len(each) == 1 else each[0] & ~each[1]
        if len(each) > 1:
            self._window.add(frame, labels[::-1], each[::-1], motion)
        if self._flips is None or self._looks is None:
            self._flips, self._looks = (np.zeros(flips.shape, np.uint16) for _ in range(2))
        self._flips += flips
        self._looks += motion.unchanged

    def _finish_map(self) -> None:
        if self._flips is None or self._looks is None or self._ground is None:
            return
        share = float(self._flips.sum(dtype=np.int64) / max(1, int(self._looks.sum(dtype=np.int64))))
        often = self._flips / np.maximum(self._looks, 1)
        self._maps.append((share, self._clip, _heat(self._ground, often)))
        self._maps = sorted(self._maps, key=lambda one: -one[0])[:MAPS]
        self._flips = None

    def _drawn(self, candidate: _Candidate) -> dict[str, UInt8]:
        image, truth = candidate.frame.image_rgb, candidate.frame.labels
        palette = self.label_set.palette_rgb()
        drawn = {"frame": image}
        if truth is not None:
            drawn["truth"] = palette[truth]
        # The reference stands before the model, as in tables.
        for title, labels in zip(reversed(self.titles), reversed(candidate.labels), strict=True):
            drawn[title] = palette[labels]
        drawn["difference"] = self._difference(image, truth, candidate.labels)
        return drawn

    def _difference(self, image: UInt8, truth: UInt8 | None, labels: Sequence[UInt8]) -> UInt8:
        """Grey, with red where the model lost a pixel, green where it won one, amber where both are wrong."""
        drawn = pale(image)
        if len(labels) == 1:
            assert truth is not None
            drawn[enlarged((labels[0] != truth) & (truth != self.label_set.void))] = LOST
            return drawn
        ours, theirs = labels
        drawn[enlarged(ours != theirs)] = OTHER
        if truth is not None:
            drawn[enlarged((ours != theirs) & (theirs == truth))] = LOST
            drawn[enlarged((ours != theirs) & (ours == truth))] = WON
        return drawn


def _heat(ground: UInt8, often: npt.NDArray[np.float64]) -> UInt8:
    """How often each pixel flips, over the pale picture: the darker the red, the more often; a quarter is full."""
    strength = np.clip(np.sqrt(often / 0.25), 0, 1)[..., None]
    mixed: npt.NDArray[np.float64] = pale(ground) * (1 - strength) + np.array(LOST, np.float64) * strength
    return mixed.astype(np.uint8)


def _save(folder: Path, stem: str, image: UInt8, photo: bool) -> str:
    """Write a picture no wider than WIDTH_PX: JPEG for photographs, PNG for flat colours; gives its name."""
    import cv2

    height, width = image.shape[:2]
    if width > WIDTH_PX:
        how = cv2.INTER_AREA if photo else cv2.INTER_NEAREST
        size_wh = WIDTH_PX, max(1, round(height * WIDTH_PX / width))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)
    name = f"{stem}.{'jpg' if photo else 'png'}"
    options = [cv2.IMWRITE_JPEG_QUALITY, 82] if photo else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    if not cv2.imwrite(str(folder / name), np.ascontiguousarray(image[..., ::-1]), options):
        raise EtcEdgeError(f"Found no way to write the picture {folder / name}.")
    return name
