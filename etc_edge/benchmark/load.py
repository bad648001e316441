"""How a model does under a load: frames that arrive by the clock, and several engines at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from etc_edge.backends.base import Engine
from etc_edge.benchmark.contender import Contender
from etc_edge.benchmark.timed_frame import time_frame
from etc_edge.core.environment import available_cores
from etc_edge.core.errors import EtcEdgeError
from etc_edge.core.results import AtRate, Scaling
from etc_edge.metrics.latency import LatencyHistogram

SECONDS = 3.0
WARM_UP = 3


def at_rate(contender: Contender, rate_fps: float, seconds: float = SECONDS) -> AtRate:
    """Let frames arrive by the clock; whenever the engine is free it takes the newest, as a live source gives it.

    Raises:
        EtcEdgeError: a rate that is not above 0.
    """
    if not rate_fps > 0:
        raise EtcEdgeError(f"Found a rate of {rate_fps:g} frames a second, expected more than 0.")
    histogram, count, taken = LatencyHistogram(), max(1, round(rate_fps * seconds)), 0
    with contender.loaded() as engine:
        _warm_up(contender, engine)
        begun, number = time.perf_counter() + 1 / rate_fps, 0
        while number < count:
            # The one that arrived last, or else the next that will.
            number = min(count - 1, max(number, int((time.perf_counter() - begun) * rate_fps)))
            arrives = begun + number / rate_fps
            time.sleep(max(0.0, arrives - time.perf_counter()))
            time_frame(engine, contender.images[number % len(contender.images)])
            histogram.add((time.perf_counter() - arrives) * 1e3)
            taken, number = taken + 1, number + 1
    return AtRate(rate_fps=rate_fps, frames=count, dropped=count - taken, latency_ms=histogram.compute())


def at_once(
    contender: Contender,
    streams: int,
    threads: int,
    seconds: float = SECONDS,
    around: Callable[[Callable[[], int]], object] = lambda work: work(),
) -> Scaling:
    """Run so many engines flat out at the same time, each in a thread of its own.

    Args:
        contender: what is loaded once for each stream, and warmed up.
        streams: how many.
        threads: of one inference.
        seconds: how long.
        around: calls the work that counts once, without loading and warming up; it returns how many frames it was.
    """
    histograms = [LatencyHistogram() for _ in range(streams)]
    failures: list[BaseException] = []
    with ExitStack() as stack:
        engines = [stack.enter_context(contender.loaded(threads)) for _ in range(streams)]
        for engine in engines:
            _warm_up(contender, engine)
        start = threading.Barrier(streams + 1)
        end, spent = [0.0], [0.0]

        def work(number: int) -> None:
            try:
                start.wait()
                place = 0
                while place == 0 or time.perf_counter() < end[0]:
                    image = contender.images[(place + number) % len(contender.images)]
                    histograms[number].add(time_frame(engines[number], image).latency_ms)
                    place += 1
            except BaseException as error:
                failures.append(error)
                start.abort()

        def all_of_it() -> int:
            workers = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(streams)]
            begun = time.perf_counter()
            end[0] = begun + seconds
            for worker in workers:
                worker.start()
            start.wait()
            for worker in workers:
                worker.join()
            spent[0] = time.perf_counter() - begun
            return sum(histogram.count for histogram in histograms)

        around(all_of_it)
    if failures:
        raise failures[0]
    together = LatencyHistogram()
    for histogram in histograms:
        together.merge(histogram)
    return Scaling(
        streams=streams, threads=threads, latency_ms=together.compute(), throughput_fps=together.count / spent[0]
    )


def counts_up_to(most: int) -> list[int]:
    """1, 2, 4 … up to a number, and the number itself; every one of up to four."""
    powers = [1 << place for place in range(most.bit_length()) if 1 << place <= most]
    return sorted({*powers, most, *(range(1, most + 1) if most <= 4 else ())})


def threads_of_each(streams: int) -> int:
    """Threads of one of several engines, so that together they have no more than there are cores."""
    return max(1, available_cores() // streams)


def _warm_up(contender: Contender, engine: Engine) -> None:
    for number in range(WARM_UP):
        time_frame(engine, contender.images[number % len(contender.images)])
