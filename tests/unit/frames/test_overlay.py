"""The overlay: colours where the labels say, text where there is room."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from etc_edge.core.labels import LabelSet
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.overlay import Overlay, blend, class_shares
from etc_edge.frames.panel import GROUND
from etc_edge.frames.street.classes import STREET_CLASSES
from tests.moving_square import picture, result

TWO = LabelSet(("ramp", "square"), ((20, 60, 200), (230, 180, 20)))


def clock(step_s: float) -> object:
    ticks = count()
    return lambda: next(ticks) * step_s


def test_blending_is_the_weighted_mean() -> None:
    image, labels = picture(0), result(0).labels
    palette = TWO.palette_rgb()
    expected = 0.7 * image + 0.3 * palette[labels]
    np.testing.assert_allclose(blend(image, labels, palette, 0.3), expected, atol=1)
    np.testing.assert_array_equal(blend(image, labels, palette, 0.0), image)
    np.testing.assert_array_equal(blend(image, labels, palette, 1.0), palette[labels])


@pytest.mark.parametrize("opacity", [0.0, 0.25, 0.3, 0.5, 0.8, 1.0])
def test_blending_is_that_mean_rounded_once(opacity: float) -> None:
    """Every byte with every byte: (1 − opacity)·picture + opacity·colour in float32, halves to the even neighbour."""
    image = np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 256, 0), 3, 2)
    palette = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 77)], 1).astype(np.uint8)
    labels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, 1)
    weights = np.float32(1 - opacity), np.float32(opacity)
    expected = np.rint(image * weights[0] + palette[labels] * weights[1])
    found = blend(image, labels, palette, opacity)
    close = np.abs(image * (1 - opacity) + palette[labels] * opacity - expected)
    np.testing.assert_array_equal(found[close < 0.499], expected[close < 0.499])
    np.testing.assert_array_less(np.abs(found - expected), 1.5)


def test_the_frame_stays_as_it_is() -> None:
    shown = result(0, (240, 320))
    before = shown.frame.image_rgb.copy()
    drawn = Overlay(TWO, title="net")(shown)
    np.testing.assert_array_equal(shown.frame.image_rgb, before)
    assert drawn.shape == before.shape
    assert drawn.dtype == np.uint8


def test_pictures_are_the_callers_own_unless_one_array_is_asked_for() -> None:
    shown = [result(index, (240, 320)) for index in range(2)]
    overlay, again = (Overlay(TWO, clock=clock(0.1), again=again) for again in (False, True))
    first, second = overlay(shown[0]), overlay(shown[1])
    assert not np.shares_memory(first, second)
    drawn = again(shown[0])
    np.testing.assert_array_equal(drawn, first)
    assert np.shares_memory(again(shown[1]), drawn)
    np.testing.assert_array_equal(drawn, second)
    assert again(result(2, (48, 64))).shape == (48, 64, 3)


def test_class_shares() -> None:
    np.testing.assert_allclose(class_shares(np.array([[0, 0, 1, 255]], np.uint8), 3), [0.5, 0.25, 0])


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (32, 48), (144, 256), (360, 480), (300, 1200), (1080, 1920)])
@pytest.mark.parametrize("classes", [1, 9, 60])
def test_any_size_and_number_of_classes(size: tuple[int, int], classes: int) -> None:
    names = tuple(f"class {number}" for number in range(classes))
    label_set = LabelSet(names, tuple((number, 2 * number, 3 * number) for number in range(classes)))
    image = np.full((*size, 3), 128, np.uint8)
    shown = SegmentedFrame(Frame(image, 0, 0.0), np.zeros(size, np.uint8), 3.0)
    overlay = Overlay(label_set, title="some network", clock=clock(0.1))
    for _ in range(2):
        assert overlay(shown).shape == (*size, 3)


def test_the_legend_shows_each_class_in_its_colour() -> None:
    image = np.zeros((288, 512, 3), np.uint8)
    shown = SegmentedFrame(Frame(image, 0, 0.0), np.zeros((288, 512), np.uint8), 3.0)
    drawn = Overlay(STREET_CLASSES)(shown)
    colors = {tuple(color) for color in drawn[200:].reshape(-1, 3).tolist()}
    assert set(STREET_CLASSES.colors_rgb) <= colors
    without = Overlay(STREET_CLASSES, legend=False)(shown)
    assert not set(STREET_CLASSES.colors_rgb) <= {tuple(color) for color in without[200:].reshape(-1, 3).tolist()}


def test_the_rate_is_that_of_the_frames_drawn() -> None:
    overlay = Overlay(TWO, clock=clock(0.04))
    for index in range(30):
        overlay(result(index, (240, 320)))
    assert overlay._interval_s == pytest.approx(0.04)


def test_the_picture_shows_through_the_legend_as_it_is_now() -> None:
    labels = np.zeros((288, 512), np.uint8)
    overlay = Overlay(STREET_CLASSES)
    dark, light = (
        overlay(SegmentedFrame(Frame(np.full((288, 512, 3), value, np.uint8), 0, 0.0), labels, 3.0))
        for value in (0, 200)
    )
    corner = 287, 511
    # Below the legend lie 0.3 of the picture, which is half the first class's colour, and 0.7 of the ground.
    half = [0.5 * value for value in STREET_CLASSES.colors_rgb[0]]
    for drawn, value in ((dark, 0), (light, 200)):
        seen = [0.3 * (0.5 * value + color) + 0.7 * ground for color, ground in zip(half, GROUND, strict=True)]
        assert drawn[corner].tolist() == pytest.approx(seen, abs=2)
    again = Overlay(STREET_CLASSES)(SegmentedFrame(Frame(np.full((288, 512, 3), 200, np.uint8), 0, 0.0), labels, 3.0))
    np.testing.assert_array_equal(light[150:], again[150:])  # what was kept from before is no other


def test_the_legend_follows_the_shares() -> None:
    overlay = Overlay(STREET_CLASSES)
    image = np.zeros((288, 512, 3), np.uint8)
    first = overlay(SegmentedFrame(Frame(image, 0, 0.0), np.zeros((288, 512), np.uint8), 3.0))
    for _ in range(40):
        last = overlay(SegmentedFrame(Frame(image, 0, 0.0), np.ones((288, 512), np.uint8), 3.0))
    fresh = Overlay(STREET_CLASSES)(SegmentedFrame(Frame(image, 0, 0.0), np.ones((288, 512), np.uint8), 3.0))
    assert (first[200:] != last[200:]).any()
    assert (last[200:] != fresh[200:]).mean() < 0.01  # what is smoothed, or not written anew yet, says 99%
