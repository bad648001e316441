"""Latency percentiles against numpy's."""

from __future__ import annotations

import gc
import tracemalloc
from threading import Thread

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.latency import EXACT, LatencyHistogram, latency


@pytest.mark.parametrize(("count", "within"), [(1, 1e-12), (100, 1e-12), (EXACT, 1e-12), (50_000, 0.006)])
def test_percentiles(count: int, within: float) -> None:
    durations = np.random.default_rng(count).lognormal(3.0, 0.7, count)
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.add(float(duration))
    found = histogram.compute()
    expected = np.percentile(durations, [50, 90, 95, 99])
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(list(expected), rel=within)
    assert found.mean == pytest.approx(float(durations.mean()))
    assert found.max == float(durations.max())
    assert histogram.count == count


def test_memory_does_not_grow() -> None:
    histogram = LatencyHistogram()
    for step in range(3 * EXACT):
        histogram.add(step % 50 + 0.5)
    assert len(histogram._durations_ms) == 0
    assert histogram._bins is not None
    assert len(histogram._bins) < 5000


@pytest.mark.parametrize("count", [EXACT - 1, 3 * EXACT])
def test_a_duration_takes_no_more_than_eight_bytes(count: int) -> None:
    durations = [index + 0.5 for index in range(count)]
    gc.collect()
    tracemalloc.start()
    histogram = LatencyHistogram()
    for duration in durations:
        histogram.add(duration)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 8 * EXACT + 4096


def test_figures_are_asked_for_while_another_thread_adds() -> None:
    histogram, found = LatencyHistogram(), []
    histogram.add(1.0)
    adding = Thread(target=lambda: [histogram.add(1.0 + step % 7) for step in range(4 * EXACT)])
    adding.start()
    while adding.is_alive():
        found.append(histogram.compute())
    assert all(0.99 <= one.p50 <= one.p99 <= 7.1 for one in found)


@pytest.mark.parametrize("count", [100, 3 * EXACT])
def test_merging_gives_the_figures_of_all(count: int) -> None:
    durations = np.random.default_rng(count).lognormal(3.0, 0.7, (2, count))
    parts = [LatencyHistogram(), LatencyHistogram()]
    for part, its in zip(parts, durations, strict=True):
        for duration in its:
            part.add(float(duration))
    parts[0].merge(parts[1])
    found = parts[0].compute()
    expected = np.percentile(durations, [50, 90, 95, 99])
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(list(expected), rel=0.011)
    assert (parts[0].count, found.max) == (2 * count, float(durations.max()))
    assert found.mean == pytest.approx(float(durations.mean()))


def test_durations_beyond_the_bins_are_kept_in_the_outer_ones() -> None:
    histogram = LatencyHistogram()
    for _ in range(EXACT + 1):
        histogram.add(0.0)
    histogram.add(1e9)
    assert histogram.compute().max == 1e9
    assert histogram.compute().p50 < 0.002


def test_nothing_timed() -> None:
    with pytest.raises(EtcEdgeError, match="no frame that was timed"):
        LatencyHistogram().compute()


def test_a_list_has_the_figures_of_numpy() -> None:
    durations = list(np.random.default_rng(1).gamma(3, 5, 777))
    found = latency(durations)
    assert found.mean == pytest.approx(np.mean(durations))
    assert found.max == max(durations)
    assert [found.p50, found.p90, found.p95, found.p99] == pytest.approx(
        [np.percentile(durations, percent) for percent in (50, 90, 95, 99)]
    )


def test_one_duration_is_every_figure() -> None:
    found = latency([4.0])
    assert {found.mean, found.p50, found.p90, found.p95, found.p99, found.max} == {4.0}


def test_nothing_recorded_has_no_figures() -> None:
    assert LatencyHistogram().figures() is None
