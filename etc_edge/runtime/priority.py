"""Threads that step aside for inference."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import get_native_id

# Decoding, sinks and preview; and what nobody waits for.
BESIDE, LAST = 10, 19


def give_way(niceness: int = BESIDE) -> None:
    """Let inference have the cores whenever it wants them: its threads wait for one another, the calling one for none.

    Threads that the calling thread starts are as nice as it is.
    """
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, get_native_id(), niceness)
