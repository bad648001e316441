"""Steadiness of a run as it goes, without ground truth: labels against those of the frame before."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import numpy.typing as npt

from etc_edge.flow.base import Flow, open_flow
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.preprocess import fit_frame, fit_labels
from etc_edge.metrics.confusion import mean_over_present
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.temporal import flicker_counts, tc_matrix

UInt8 = npt.NDArray[np.uint8]

FLOW = "dis-ultrafast"
# Flow and labels are compared at this height: a few milliseconds a frame, whatever the camera's size.
HEIGHT_PX = 180
# Frames that the running figures look back on, and frames that say what is usual.
RUNNING_FRAMES, USUAL_FRAMES = 15, 300
# Nothing is unusual before so many pairs, nor within so many standard deviations or so much of the mean.
LEAST_PAIRS, DEVIATIONS, LEAST_WIDTH = 60, 4.0, 0.02


class Band:
    """Where a figure usually lies: within some standard deviations of its running mean.

    What lies outside is taken in too, so that a figure that stays where it went becomes the usual one.

    Args:
        frames: how far back it looks.
        least: how many values it needs before anything is unusual.
        deviations: half its width, in standard deviations.
        least_width: half its width at least.
    """

    def __init__(
        self,
        frames: float = USUAL_FRAMES,
        least: int = LEAST_PAIRS,
        deviations: float = DEVIATIONS,
        least_width: float = LEAST_WIDTH,
    ) -> None:
        self._frames, self._least, self._deviations, self._least_width = frames, least, deviations, least_width
        self._count, self._mean, self._variance = 0, 0.0, 0.0

    @property
    def limits(self) -> tuple[float, float]:
        """Its lower and upper end; infinite as long as nothing is unusual."""
        if self._count < self._least:
            return -inf, inf
        half = max(self._least_width, self._deviations * sqrt(self._variance))
        return self._mean - half, self._mean + half

    def add(self, value: float) -> None:
        """Take a value in."""
        self._count += 1
        rate = max(1 / self._count, 1 / self._frames)
        difference = value - self._mean
        self._mean += rate * difference
        self._variance = (1 - rate) * (self._variance + rate * difference**2)


@dataclass(frozen=True)
class Running:
    """Figures of the last frames, as fractions, and what happened with this one.

    Args:
        tc: temporal consistency, as `metrics.temporal` defines it; None as long as there is no pair.
        flicker: as defined there; None as long as no pixel looked the same twice.
        events: a figure that left its usual band or came back, such as `flicker above 0.031`.
    """

    tc: float | None
    flicker: float | None
    events: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, float | list[str]]:
        """Plain data for a JSON line; what is not known is left out."""
        known = {name: value for name, value in (("tc", self.tc), ("flicker", self.flicker)) if value is not None}
        found: dict[str, float | list[str]] = {name: round(value, 5) for name, value in known.items()}
        return {**found, "events": list(self.events)} if self.events else found


class SteadinessWatch:
    """Compares each frame's labels with those of the frame before it, along optical flow.

    Args:
        classes: number of classes.
        flow: None takes DIS's fastest.
        height_px: height that larger frames are brought down to.
        frames: how far back the running figures look; `inf` forgets nothing.
    """

    def __init__(
        self, classes: int, flow: Flow | None = None, height_px: int = HEIGHT_PX, frames: float = RUNNING_FRAMES
    ) -> None:
        self._classes, self._height_px, self._keep = classes, height_px, 1 - 1 / frames
        self._flow = flow or open_flow(FLOW)
        self._last: tuple[UInt8, UInt8] | None = None
        self._matrix = np.zeros((classes, classes), np.float64)
        self._changed, self._same_look = 0.0, 0.0
        self._bands = {"tc": Band(), "flicker": Band()}
        self._outside: dict[str, str] = {}

    def __call__(self, result: SegmentedFrame) -> Running:
        """Take a run's next result; one of another size begins anew."""
        image, labels = self._fitted(result)
        last, self._last = self._last, (image, labels)
        if last is None or last[0].shape != image.shape:
            return Running(None, None)
        motion = motion_between(last[0], image, self._flow(last[0], image))
        back = motion.bring_back(labels)
        changed, same_look = flicker_counts(last[1], back, motion)
        self._matrix = self._keep * self._matrix + tc_matrix(last[1], back, motion, self._classes)
        self._changed = self._keep * self._changed + changed
        self._same_look = self._keep * self._same_look + same_look
        tc = mean_over_present(self._matrix) if self._matrix.any() else None
        flicker = self._changed / self._same_look if self._same_look else None
        events = [self._event(name, value) for name, value in (("tc", tc), ("flicker", flicker)) if value is not None]
        return Running(tc, flicker, tuple(event for event in events if event is not None))

    def forget(self) -> None:
        """Take the next result for one that has none before it; running figures stay."""
        self._last = None

    def _fitted(self, result: SegmentedFrame) -> tuple[UInt8, UInt8]:
        height, width = result.labels.shape
        tall = min(height, self._height_px)
        size_hw = tall, max(1, round(width * tall / height))
        return fit_frame(result.frame.image_rgb, size_hw), fit_labels(result.labels, size_hw)

    def _event(self, name: str, value: float) -> str | None:
        band = self._bands[name]
        low, high = band.limits
        band.add(value)
        side = f"below {low:.3f}" if value < low else f"above {high:.3f}" if value > high else ""
        before = self._outside.pop(name, "")
        if side:
            self._outside[name] = side
        if side[:5] == before[:5]:
            return None
        return f"{name} {side}" if side else f"{name} as usual again"
