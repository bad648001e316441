"""One stream as a preview sees it: a sink that keeps the newest result and counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from threading import Condition
from typing import Literal

import msgspec
import numpy as np

from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.frames.overlay import class_shares
from etc_edge.frames.sink import Sink
from etc_edge.runtime.preview.history import History, Point
from etc_edge.runtime.preview.picture import Picture
from etc_edge.runtime.steadiness import Running

State = Literal["starting", "streaming", "waiting", "frozen", "ended", "failed"]

# A stream counts as frozen after so many seconds without a result, or so many times as long as it took the last.
FROZEN_S, FROZEN_TIMES = 10.0, 10.0
# Latency is that of the last seconds, of so many frames at most.
RECENT_S, RECENT_FRAMES = 10.0, 1000
# Comparisons with the shadow model that the running figure looks back on, and events that are kept.
COMPARISONS, EVENTS = 15, 20


class Event(msgspec.Struct, frozen=True):
    """What happened, and when, in seconds since 1970."""

    time_s: float
    text: str


class Surroundings:
    """What is known of a stream besides its results; this is one of which nothing is."""

    @property
    def waiting(self) -> bool:
        """Whether its source is away and will be opened again."""
        return False

    @property
    def ended(self) -> bool:
        """Whether all that will come of it has come."""
        return False

    @property
    def failed(self) -> bool:
        """Whether the run has failed."""
        return False

    @property
    def dropped(self) -> int:
        """Frames that were not waited for."""
        return 0


class View(Sink):
    """Takes results without making anybody wait; others read them at their own pace.

    Args:
        number: of the stream, from 0.
        name: of its source.
        label_set: classes and their colours.
        arrived: notified of every result.
        offered: given every result, for a shadow model to look at; must not wait either.

    Attributes:
        history: a point a second.
        running: tc and flicker of late.
        events: when they left their usual band or came back.
        disagreement: running share of pixels with another label than the shadow model's; None without comparisons.
        compared: how many comparisons there were.
        layers: the newest picture for pages.
        overlay: the newest picture for other viewers.
        layer_watchers: how many look at the former; written by the server's thread.
        overlay_watchers: how many look at the latter.
        offered: as given; may be set later.
        frames: how many results there were.
        latency_sum_ms: of all of them.
    """

    live = True

    def __init__(
        self,
        number: int,
        name: str,
        label_set: LabelSet,
        arrived: Condition,
        offered: Callable[[View, SegmentedFrame], None] | None = None,
    ) -> None:
        self.number, self.name, self.label_set = number, name, label_set
        self.history, self.running = History(), Running(None, None)
        self.events: deque[Event] = deque(maxlen=EVENTS)
        self.disagreement: float | None = None
        self.compared = 0
        self.layers: Picture | None = None
        self.overlay: Picture | None = None
        self.layer_watchers, self.overlay_watchers = 0, 0
        self._surroundings = Surroundings()
        self.frames, self.latency_sum_ms = 0, 0.0
        self._arrived, self.offered = arrived, offered
        self._last_two: tuple[SegmentedFrame | None, SegmentedFrame | None] = None, None
        self._latencies: deque[tuple[float, float]] = deque(maxlen=RECENT_FRAMES)
        self._begun_s: float | None = None
        self._came_s, self._interval_s = 0.0, 0.0
        self._end: State | None = None
        self._point_s, self._point_frames, self._point_dropped = time.monotonic(), 0, 0

    def write(self, result: SegmentedFrame) -> None:
        """See Sink; waits for nobody."""
        now_s = time.monotonic()
        with self._arrived:
            if self.frames:
                self._interval_s = now_s - self._came_s
            elif self._begun_s is None:
                self._begun_s = self._point_s = now_s
            self._came_s = now_s
            self._last_two = self._last_two[1], result
            self._latencies.append((now_s, result.latency_ms))
            self.frames += 1
            self.latency_sum_ms += result.latency_ms
            self._arrived.notify_all()
        if self.offered is not None:
            self.offered(self, result)

    def compare(self, disagreement: float) -> None:
        """Take in how far a frame's labels were from the shadow model's, as a share of its pixels."""
        self.compared += 1
        rate = max(1 / self.compared, 1 / COMPARISONS)
        self.disagreement = (1 - rate) * (self.disagreement or 0.0) + rate * disagreement

    def steady(self, running: Running) -> None:
        """Take in steadiness of late, and what happened to it."""
        self.running = running
        self.events.extend(Event(round(time.time(), 3), text) for text in running.events)

    def close(self) -> None:
        """See Sink."""
        self._end = self._end or "ended"

    def abort(self) -> None:
        """See Sink."""
        self._end = self._end or "failed"

    def begin(self, surroundings: Surroundings) -> None:
        """From now on results are expected."""
        self._surroundings = surroundings
        self._begun_s = self._point_s = time.monotonic()

    @property
    def dropped(self) -> int:
        """Frames of the stream that were not waited for."""
        return self._surroundings.dropped

    @property
    def last_two(self) -> tuple[SegmentedFrame | None, SegmentedFrame | None]:
        """The result before the newest, and the newest."""
        return self._last_two

    @property
    def newest(self) -> SegmentedFrame | None:
        """The newest result."""
        return self._last_two[1]

    @property
    def silent_s(self) -> float:
        """Seconds since the last result, or since the first was expected."""
        since_s = self._came_s if self.frames else self._begun_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    @property
    def state(self) -> State:
        """What the stream does."""
        if self._end is not None:
            return self._end
        if self._surroundings.failed:
            return "failed"
        if self._surroundings.ended:
            return "ended"
        if self._surroundings.waiting:
            return "waiting"
        if self.silent_s > self._patience_s:
            return "frozen"
        return "streaming" if self.frames else "starting"

    @property
    def healthy(self) -> bool:
        """Whether frames come, will come, or all have come; not for a stream that is frozen or failed."""
        state = self.state
        return state in ("starting", "streaming", "ended") or (state == "waiting" and self.silent_s <= self._patience_s)

    @property
    def _patience_s(self) -> float:
        return max(FROZEN_S, FROZEN_TIMES * self._interval_s)

    def shares(self) -> list[float]:
        """The share of the newest labels that each class has."""
        newest = self.newest
        if newest is None:
            return [0.0] * len(self.label_set)
        return [round(float(share), 4) for share in class_shares(newest.labels[::4, ::4], len(self.label_set))]

    def take_point(self) -> None:
        """Add figures since this was last asked to the history, once results are expected."""
        now_s = time.monotonic()
        if self._begun_s is None:
            self._point_s = now_s
            return
        with self._arrived:
            frames = self.frames
            # Newest first, until they are too old.
            recent = [ms for came_s, ms in reversed(self._latencies) if now_s - came_s <= RECENT_S]
        dropped, seconds = self.dropped, max(1e-6, now_s - self._point_s)
        p50_ms, p99_ms = (round(float(ms), 3) for ms in np.percentile(recent, (50, 99))) if recent else (None, None)
        point = Point(
            time_s=round(time.time(), 3),
            fps=round((frames - self._point_frames) / seconds, 2),
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            dropped=dropped - self._point_dropped,
            tc=_rounded(self.running.tc),
            flicker=_rounded(self.running.flicker),
            disagreement=_rounded(self.disagreement),
        )
        self._point_s, self._point_frames, self._point_dropped = now_s, frames, dropped
        self.history.add(point)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 5)
