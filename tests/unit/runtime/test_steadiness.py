"""Running figures against those of whole clips, and events where labels begin to flicker."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

import numpy as np
import numpy.typing as npt
import pytest

from etc_edge.flow.base import open_flow
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.frames.street.renderer import Street
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.temporal import TemporalConsistency
from etc_edge.runtime.steadiness import Band, Running, SteadinessWatch
from tests.moving_square import result

SIZE_HW = (96, 160)
CLASSES = len(STREET_CLASSES)


def street(frames: int, noisy: range = range(0)) -> Iterator[SegmentedFrame]:
    """A drive with its true labels; in some frames a fifth of the pixels has any class, another one each time."""
    painter = Street(3, SIZE_HW, 15)
    for index in range(frames):
        painted = painter.frame(index)
        labels: npt.NDArray[np.uint8] = np.where(painted.labels == 255, 0, painted.labels).astype(np.uint8)
        if index in noisy:
            random = np.random.default_rng(index)
            chosen = random.random(SIZE_HW) < 0.2
            labels[chosen] = random.integers(0, CLASSES, int(chosen.sum()))
        yield SegmentedFrame(Frame(painted.image_rgb, index, index / 15), labels, 1.0)


def test_a_watch_that_forgets_nothing_gives_the_figures_of_the_clip() -> None:
    flow, results = open_flow("dis-ultrafast"), list(street(6))
    watch, whole = SteadinessWatch(CLASSES, flow, frames=inf), TemporalConsistency(CLASSES)
    running = [watch(one) for one in results]
    for one, following in pairwise(results):
        images = one.frame.image_rgb, following.frame.image_rgb
        whole.update(one.labels, following.labels, motion_between(*images, flow(*images)))
    expected = whole.compute()
    assert running[0] == Running(None, None)
    assert running[-1].tc == pytest.approx(expected.tc)
    assert running[-1].flicker == pytest.approx(expected.flicker)


def test_labels_that_begin_to_flicker_are_an_event_and_so_is_their_end() -> None:
    watch = SteadinessWatch(CLASSES)
    events = {}
    for one in street(170, noisy=range(100, 112)):
        if found := watch(one).events:
            events[one.index] = found
    rising = [index for index, found in events.items() if any(event.startswith("flicker above") for event in found)]
    falling = [index for index, found in events.items() if any(event.startswith("tc below") for event in found)]
    assert rising[0] in range(100, 106), events
    assert falling[0] in range(100, 106), events
    assert min(events) >= 100, "a steady drive is no event"
    ends = [index for index, found in events.items() if "flicker as usual again" in found]
    assert ends
    assert ends[0] > 105


def test_a_band_says_nothing_before_it_knows_what_is_usual_and_follows_what_stays() -> None:
    band = Band(frames=50, least=10)
    for _ in range(9):
        band.add(0.2)
    assert band.limits == (-inf, inf)
    band.add(0.2)
    assert band.limits == pytest.approx((0.18, 0.22))
    for _ in range(500):
        band.add(0.6)
    low, high = band.limits
    assert low < 0.6 < high
    assert low > 0.2


def test_a_bands_mean_and_variance_are_numpys_while_nothing_is_forgotten() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 200)
    band = Band(frames=1000, least=1, deviations=1, least_width=0)
    for value in values:
        band.add(float(value))
    assert band.limits == pytest.approx((values.mean() - values.std(), values.mean() + values.std()))


def test_another_size_begins_anew_and_plain_data_leaves_out_what_is_not_known() -> None:
    watch = SteadinessWatch(2)
    assert watch(result(0)).to_dict() == {}
    assert watch(result(1)).to_dict().keys() == {"tc", "flicker"}
    assert watch(result(2, (64, 80))) == Running(None, None)
    assert Running(0.5, None, ("tc below 0.6",)).to_dict() == {"tc": 0.5, "events": ["tc below 0.6"]}
