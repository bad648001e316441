"""The null sink; the protocol is in the sink contract."""

from __future__ import annotations

from etc_edge.frames.sink import NullSink
from tests.moving_square import result


def test_the_null_sink_counts() -> None:
    with NullSink() as sink:
        for index in range(3):
            sink.write(result(index))
    assert sink.frames == 3
