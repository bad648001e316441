"""A second model that labels some of the frames, to see how far the first strays from it."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Condition, Event, Thread

from etc_edge.backends.targets import CPU
from etc_edge.core.errors import EtcEdgeError, PreviewError
from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import SegmentedFrame
from etc_edge.metrics.agreement import agreeing_pixels
from etc_edge.runtime.preview.pace import Pace
from etc_edge.runtime.preview.shadow_child import ShadowChild
from etc_edge.runtime.preview.shadow_process import Order
from etc_edge.runtime.preview.view import View
from etc_edge.runtime.priority import give_way

EVERY = 30
# Of one core. An FP32 network on every n-th frame could otherwise take all that a small device has.
SHARE = 0.1


class Shadow:
    """Labels every n-th frame once more, in a process that gives way to all others.

    What is compared is bounded twice: by `every`, and by the share of a core. A frame that comes while another is at
    hand takes the place of one that waits. When it fails, the run goes on without it.

    Args:
        model: a bundle or a compiled form, usually the FP32 one.
        label_set: of the model that it is compared with.
        target: what a bundle is compiled for.
        every: a frame whose index is a multiple of this is offered to it.
        share: of one core's time that it may take.

    Attributes:
        name: the model's name.
        failure: why it stopped.

    Raises:
        EtcEdgeError: it cannot be loaded, or has other classes.
    """

    def __init__(
        self, model: Path, label_set: LabelSet, target: str = CPU, every: int = EVERY, share: float = SHARE
    ) -> None:
        self.every, self._pace = every, Pace(share)
        self.failure: EtcEdgeError | None = None
        self._changed, self._stopped = Condition(), Event()
        # At most one of each stream waits: the newest.
        self._waiting: dict[View, SegmentedFrame] = {}
        self._thread = Thread(target=self._work, name="etc-edge shadow", daemon=True)
        self._child = ShadowChild(Order(str(Path(model).resolve()), target, 1))
        self.name, classes = self._child.loaded.name, self._child.loaded.classes
        self._thread.start()
        if classes != label_set.names:
            self.close()
            raise PreviewError(
                f"Found the classes {', '.join(classes)} in the shadow model {self.name}, "
                f"expected those of the model: {', '.join(label_set.names)}."
            )

    def offer(self, view: View, result: SegmentedFrame) -> None:
        """Take a result if it is an n-th one; waits for nobody."""
        if result.index % self.every == 0:
            with self._changed:
                self._waiting[view] = result
                self._changed.notify()

    def close(self) -> None:
        """End, without waiting for the frame at hand; closing twice does no harm."""
        self._stopped.set()
        with self._changed:
            self._changed.notify()
        self._child.kill()
        self._thread.join()
        self._child.close()

    def _work(self) -> None:
        give_way()
        try:
            while not self._stopped.is_set():
                self._compare_next()
        except EtcEdgeError as error:
            if not self._stopped.is_set():
                self.failure = error

    def _compare_next(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped.is_set() or bool(self._waiting))
            if self._stopped.is_set():
                return
            # Whoever has waited longest.
            view = next(iter(self._waiting))
            result = self._waiting.pop(view)
        begun_s = time.monotonic()
        labels, cpu_s = self._child.label(result.frame.image_rgb)
        view.compare(1 - agreeing_pixels(result.labels, labels) / labels.size)
        self._pace.took(begun_s, cpu_s)
        self._stopped.wait(self._pace.wait_s(time.monotonic()))
