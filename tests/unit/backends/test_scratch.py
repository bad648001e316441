"""Arrays that are used again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from etc_edge.backends.scratch import Scratch


def test_a_name_gives_the_same_memory_in_any_shape() -> None:
    scratch = Scratch()
    large = scratch.array("value", (4, 5), np.float32)
    small = scratch.array("value", (2, 3), np.float32)
    assert (large.shape, small.shape, small.dtype) == ((4, 5), (2, 3), np.float32)
    assert np.shares_memory(large, small)
    assert not np.shares_memory(small, scratch.array("other", (2, 3), np.float32))
    assert scratch.array("value", (6, 7), np.float32).size == 42


def test_threads_do_not_share_it() -> None:
    scratch = Scratch()
    mine = scratch.array("value", (8,), np.uint8)
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(scratch.array, "value", (8,), np.uint8).result()
    assert not np.shares_memory(mine, theirs)
