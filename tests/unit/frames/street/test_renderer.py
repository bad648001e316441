"""The street's promises: the same for a seed, and exact labels, flow and visibility."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from etc_edge.flow.warp import warp_bilinear, warp_nearest
from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.frames.street.renderer import Street

SIZE = (180, 320)
SEEDS = (0, 3, 11)


@pytest.fixture(scope="module", params=SEEDS)
def street(request: pytest.FixtureRequest) -> Street:
    return Street(request.param, SIZE)


def interior(labels: np.ndarray) -> np.ndarray:
    """Pixels that are not next to another class."""
    flat = cv2.erode(labels, np.ones((3, 3))) == cv2.dilate(labels, np.ones((3, 3)))
    return np.asarray(flat)


def test_a_frame_is_a_picture_with_labels(street: Street) -> None:
    frame = street.frame(0)
    assert frame.image_rgb.shape == (*SIZE, 3)
    assert frame.image_rgb.dtype == frame.labels.dtype == np.uint8
    assert frame.image_rgb.flags.c_contiguous
    assert frame.labels.shape == SIZE
    STREET_CLASSES.check(frame.labels, "the street")


def test_the_same_seed_gives_the_same_drive_in_any_order() -> None:
    forward, again = Street(5, SIZE), Street(5, SIZE)
    frames = [forward.frame(index) for index in range(4)]
    truths = [forward.truth(index) for index in range(3)]
    for index in (2, 0, 1):
        flow, visible = again.truth(index)
        np.testing.assert_array_equal(again.frame(index).image_rgb, frames[index].image_rgb)
        np.testing.assert_array_equal(again.frame(index).labels, frames[index].labels)
        np.testing.assert_array_equal(flow, truths[index][0])
        np.testing.assert_array_equal(visible, truths[index][1])


def test_another_seed_gives_another_street() -> None:
    assert (Street(1, SIZE).frame(0).labels != Street(2, SIZE).frame(0).labels).mean() > 0.1


def test_labels_follow_the_flow_wherever_they_stay_visible(street: Street) -> None:
    for index in (0, 37):
        now, later = street.frame(index), street.frame(index + 1)
        flow, visible = street.truth(index)
        back, inside = warp_nearest(later.labels, flow)
        assert visible.mean() > 0.75
        assert not (visible & ~inside).any()
        assert (back == now.labels)[visible].mean() == 1.0
        # Even where visibility is not asked: only what is covered or uncovered disagrees.
        assert (back == now.labels)[inside & interior(now.labels)].mean() > 0.97


def test_pictures_follow_the_flow(street: Street) -> None:
    for index in (0, 37):
        now, later = street.frame(index).image_rgb, street.frame(index + 1).image_rgb
        flow, visible = street.truth(index)
        along = np.abs(warp_bilinear(later, flow)[0] - now).mean(-1)[visible]
        standing = np.abs(later.astype(np.float32) - now).mean(-1)[visible]
        # What is left is the sensor's noise, exposure, and resampling of fine texture.
        assert np.median(along) < 4.5
        assert along.mean() < 0.6 * standing.mean()


def test_a_twentieth_of_a_pixel_matters_to_the_picture() -> None:
    # The best shift of the exact flow is none: a biased flow would be found out here.
    street = Street(0, SIZE)
    now, later = street.frame(20).image_rgb, street.frame(21).image_rgb
    flow, visible = street.truth(20)

    def misfit(dx: float, dy: float) -> float:
        moved = flow + np.array([dx, dy], np.float32)
        return float(np.square(warp_bilinear(later, moved)[0] - now)[visible].mean())

    shifts = np.linspace(-0.6, 0.6, 7)
    for axis in (0, 1):
        curve = np.polyfit(shifts, [misfit(*np.roll((shift, 0.0), axis)) for shift in shifts], 2)
        assert abs(-curve[1] / (2 * curve[0])) < 0.05


def test_flow_agrees_with_points_followed_in_space() -> None:
    # The ground's flow once more, from its points in the world and the two cameras.
    street = Street(7, SIZE)
    frame, (flow, _) = street.frame(12), street.truth(12)
    now, later = (street._path.camera(index / street.fps) for index in (12, 13))
    rows, columns = np.nonzero(frame.surfaces == 0)
    picked = np.random.default_rng(0).choice(len(rows), 200, replace=False)
    for y, x in zip(rows[picked], columns[picked], strict=True):
        # Where the pixel's ray meets Y = 0.
        axes, place = now.view[:, :3], now.position
        ray = np.linalg.solve(axes, np.array([x, y, 1.0]))
        point = place + ray * (-place[1] / ray[1])
        seen = later.view @ np.append(point, 1.0)
        np.testing.assert_allclose(seen[:2] / seen[2] - (x, y), flow[y, x], atol=2e-3)


def test_everything_in_the_list_of_classes_appears() -> None:
    seen: set[int] = set()
    for seed in range(4):
        street = Street(seed, SIZE)
        for index in (0, 40, 80):
            seen |= set(np.unique(street.frame(index).labels).tolist())
    assert seen == set(range(len(STREET_CLASSES)))


def test_things_move_by_themselves() -> None:
    # Cars move against the ground they stand on.
    street = Street(3, SIZE)
    frame, later = street.frame(0), street.frame(3)
    cars = {key for key in np.unique(frame.keys[frame.surfaces]) if key >= 1 << 44}
    assert cars & set(np.unique(later.keys[later.surfaces]).tolist())


def test_long_drives_keep_no_more_than_short_ones() -> None:
    street = Street(2, (64, 96))
    for index in range(0, 3000, 60):
        street.frame(index)
    assert len(street._plots) <= 40
    assert len(street._kept) <= 3
    assert len(street._standing) <= 4


@pytest.mark.parametrize("size", [(32, 32), (97, 131), (512, 256)])
def test_any_size(size: tuple[int, int]) -> None:
    street = Street(1, size)
    flow, visible = street.truth(5)
    assert street.frame(5).image_rgb.shape == (*size, 3)
    assert np.isfinite(flow).all()
    assert visible.shape == size


def test_fps_sets_the_step_between_frames() -> None:
    slow, fast = Street(4, (64, 96), 15), Street(4, (64, 96), 30)
    np.testing.assert_array_equal(slow.frame(1).labels, fast.frame(2).labels)
    assert np.abs(slow.truth(0)[0]).mean() > 1.5 * np.abs(fast.truth(0)[0]).mean()
