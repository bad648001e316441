"""The thread that encodes pictures and watches steadiness, when somebody looks and within its share of a core."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Condition, Event, Thread

from etc_edge.runtime.preview.pace import Pace
from etc_edge.runtime.preview.picture import layers, overlay
from etc_edge.runtime.preview.view import View
from etc_edge.runtime.priority import give_way
from etc_edge.runtime.steadiness import SteadinessWatch

# Shares of one core: pictures with sending them to everybody, steadiness while somebody looks, and while nobody does.
PICTURES_SHARE, WATCHED_SHARE, UNWATCHED_SHARE = 0.05, 0.02, 0.005
MOST_FPS = 30.0
# Optical flow needs two neighbours; more of them than this say nothing new.
PAIRS_A_SECOND = 4.0
# How long it may take until somebody who begins to look is noticed.
IDLE_S = 0.1


class Studio:
    """Makes what is looked at of the newest results of some streams; what comes meanwhile is left out.

    Args:
        views: of the streams; more may be added later.
        arrived: what their views notify.
        published: told in the studio's thread that there are new pictures.
        sending_s: processor seconds spent so far on sending; they count as the pictures' cost.
    """

    def __init__(
        self,
        views: Sequence[View],
        arrived: Condition,
        published: Callable[[], None],
        sending_s: Callable[[], float],
    ) -> None:
        self._views, self._arrived, self._published, self._sending_s = views, arrived, published, sending_s
        self._stopped = Event()
        self._pictures, self._steadiness = Pace(PICTURES_SHARE, 1 / MOST_FPS), Pace(UNWATCHED_SHARE, 1 / PAIRS_A_SECOND)
        self._watches: dict[int, SteadinessWatch] = {}
        self._seen: dict[int, int] = {}
        self._turn = 0
        self._sent_s = 0.0
        self._thread = Thread(target=self._work, name="etc-edge preview studio", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread has."""
        self._stopped.set()
        with self._arrived:
            self._arrived.notify_all()
        self._thread.join()

    def _work(self) -> None:
        give_way()
        while not self._stopped.is_set():
            now_s = time.monotonic()
            watched = [view for view in self._views if view.layer_watchers or view.overlay_watchers]
            self._steadiness.share = WATCHED_SHARE if watched else UNWATCHED_SHARE
            if not self._steadiness.wait_s(now_s):
                self._watch_a_pair()
            if not watched:
                self._stopped.wait(IDLE_S)
            elif wait_s := self._pictures.wait_s(now_s):
                self._stopped.wait(min(wait_s, IDLE_S))
            elif not self._encode(watched):
                with self._arrived:
                    self._arrived.wait(IDLE_S)

    def _encode(self, watched: Sequence[View]) -> bool:
        """Encode what is new of what is looked at; False when nothing is."""
        begun_s, now_s = time.thread_time(), time.monotonic()
        encoded = [self._encode_one(view) for view in watched]
        if not any(encoded):
            return False
        self._published()
        sent_s = self._sending_s()
        self._pictures.took(now_s, time.thread_time() - begun_s + sent_s - self._sent_s)
        self._sent_s = sent_s
        return True

    def _encode_one(self, view: View) -> bool:
        newest, new = view.newest, False
        if newest is None:
            return False
        if view.layer_watchers and (view.layers is None or view.layers.index != newest.index):
            view.layers, new = layers(newest, view.number), True
        if view.overlay_watchers and (view.overlay is None or view.overlay.index != newest.index):
            view.overlay, new = overlay(newest, view.label_set.palette_rgb()), True
        return new

    def _watch_a_pair(self) -> None:
        """Compare two neighbouring results of the next stream that has new ones."""
        begun_s, now_s = time.thread_time(), time.monotonic()
        for step in range(len(self._views)):
            view = self._views[(self._turn + step) % len(self._views)]
            before, after = view.last_two
            if before is None or after is None or self._seen.get(view.number) == after.index:
                continue
            self._seen[view.number], self._turn = after.index, self._turn + step + 1
            watch = self._watches.setdefault(view.number, SteadinessWatch(len(view.label_set)))
            watch.forget()
            watch(before)
            view.steady(watch(after))
            break
        self._steadiness.took(now_s, time.thread_time() - begun_s)
