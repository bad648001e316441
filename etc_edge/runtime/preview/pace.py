"""How often work may be done that must not cost more than a share of one core."""

from __future__ import annotations


class Pace:
    """Times for a recurring piece of work: as often as is useful, as seldom as its cost demands.

    Args:
        share: of one core's time that it may take.
        least_s: seconds between two times at least.
    """

    def __init__(self, share: float, least_s: float = 0.0) -> None:
        self.share, self._least_s = share, least_s
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next time, 0 when it has come."""
        return max(0.0, self._due_s - now_s)

    def took(self, begun_s: float, cpu_s: float) -> None:
        """It was done: when it was begun, and seconds of processor time."""
        interval_s = max(self._least_s, cpu_s / self.share)
        # Counted from when it was due, so that one frame that comes late does not put off all after it.
        late_s = begun_s - self._due_s
        self._due_s = (self._due_s if late_s < self._least_s else begun_s) + interval_s
