"""Temporal consistency by hand, on the street's exact flow, and ETC's own procedure against its formula."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.frames.street.renderer import Street
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.temporal import TemporalConsistency, tc_etc_counts


def still(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((height, width, 3), 90, np.uint8), np.zeros((height, width, 2), np.float32)


def test_perfect_predictions_on_the_street_score_one_within_the_occlusion() -> None:
    street = Street(5, (144, 256))
    consistency = TemporalConsistency(9)
    for index in range(4):
        now, later = street.frame(index), street.frame(index + 1)
        flow, visible = street.truth(index)
        consistency.update(now.labels, later.labels, motion_between(now.image_rgb, later.image_rgb, flow, visible))
    found = consistency.compute()
    assert found.tc == 1.0
    assert found.flicker == 0.0
    assert consistency.pairs == 4


def test_a_network_that_flickers_scores_less_the_more_it_does() -> None:
    street, rng = Street(6, (144, 256)), np.random.default_rng(0)
    scores = []
    for share in (0.0, 0.05, 0.2):
        consistency = TemporalConsistency(9)
        for index in range(2):
            now, later = street.frame(index), street.frame(index + 1)
            flow, visible = street.truth(index)
            wrong = rng.random(later.labels.shape) < share
            labels = np.where(wrong, (later.labels + 1) % 9, later.labels).astype(np.uint8)
            consistency.update(now.labels, labels, motion_between(now.image_rgb, later.image_rgb, flow, visible))
        scores.append(consistency.compute())
    assert scores[0].tc > scores[1].tc > scores[2].tc
    assert [score.flicker for score in scores] == pytest.approx([0.0, 0.05, 0.2], abs=0.01)


def test_a_pair_by_hand() -> None:
    image, flow = still(2, 4)
    flow[..., 0] = 1  # everything moves one pixel to the right: the last column leaves
    now = np.array([[0, 0, 1, 1], [0, 0, 1, 1]], np.uint8)
    later = np.array([[1, 0, 0, 1], [1, 0, 1, 1]], np.uint8)
    # Compared: (0,0) (0,0) (1,1) above; (0,0) (0,1) (1,1) below.
    consistency = TemporalConsistency(3)
    consistency.update(now, later, motion_between(image, image, flow))
    found = consistency.compute()
    assert found.tc == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found.flicker == pytest.approx(1 / 6)


def test_sums_are_over_pairs_and_not_means_of_them() -> None:
    image, flow = still(1, 4)
    motion = motion_between(image, image, flow)
    consistency = TemporalConsistency(2)
    consistency.update(np.zeros((1, 4), np.uint8), np.zeros((1, 4), np.uint8), motion)
    consistency.update(np.array([[0, 0, 1, 1]], np.uint8), np.array([[0, 1, 1, 1]], np.uint8), motion)
    assert consistency.compute().tc == pytest.approx((5 / 6 + 2 / 3) / 2)


def test_void_in_either_frame_is_left_out() -> None:
    image, flow = still(1, 4)
    consistency = TemporalConsistency(2)
    now, later = np.array([[255, 0, 0, 1]], np.uint8), np.array([[0, 255, 0, 1]], np.uint8)
    consistency.update(now, later, motion_between(image, image, flow))
    assert consistency.compute().tc == 1.0


def test_flicker_looks_only_where_the_picture_stayed() -> None:
    image, flow = still(1, 4)
    changed = image.copy()
    changed[0, 0] += 40
    consistency = TemporalConsistency(2)
    now, later = np.array([[0, 0, 0, 0]], np.uint8), np.array([[1, 1, 0, 0]], np.uint8)
    consistency.update(now, later, motion_between(image, changed, flow))
    assert consistency.compute().flicker == pytest.approx(1 / 3)


def resampled_one_by_one(following: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """FlowNet2's resampling layer, pixel by pixel as its kernel goes about it."""
    height, width = following.shape
    out = np.zeros((height, width), np.float32)
    for y in range(height):
        for x in range(width):
            xf, yf = np.float32(x) + flow[y, x, 0], np.float32(y) + flow[y, x, 1]
            alpha, beta = xf - np.floor(xf), yf - np.floor(yf)
            left, right = (int(np.clip(np.floor(xf) + i, 0, width - 1)) for i in (0, 1))
            top, bottom = (int(np.clip(np.floor(yf) + i, 0, height - 1)) for i in (0, 1))
            far_x, far_y = 1.0 - float(alpha), 1.0 - float(beta)
            value = np.float32(0)
            value += np.float32(far_x * far_y * float(following[top, left]))
            value += np.float32(float(alpha) * far_y * float(following[top, right]))
            value += np.float32(far_x * float(beta) * float(following[bottom, left]))
            value += np.float32(alpha * beta * np.float32(following[bottom, right]))
            out[y, x] = value
    return out


def test_etc_counts_follow_its_procedure() -> None:
    rng = np.random.default_rng(3)
    now, later = rng.integers(0, 6, (2, 12, 17)).astype(np.uint8)
    flow = rng.normal(0, 3, (12, 17, 2)).astype(np.float32)
    warped = resampled_one_by_one(later, flow).astype(np.uint8)
    intersections, unions = tc_etc_counts(now, later, flow, 6)
    for number in range(6):
        assert intersections[number] == ((now == number) & (warped == number)).sum()
        assert unions[number] == ((now == number) | (warped == number)).sum()


def test_etc_loses_flat_pixels_to_rounding_and_gains_classes_at_edges() -> None:
    rng = np.random.default_rng(4)
    flow = rng.normal(0, 2, (64, 64, 2)).astype(np.float32)
    flat = np.full((64, 64), 13, np.uint8)
    intersections, _ = tc_etc_counts(flat, flat, flow, 19)
    assert 0.9 < intersections[13] / flat.size < 1.0
    edge = np.zeros((64, 64), np.uint8)
    edge[:, 32:] = 2
    _, unions = tc_etc_counts(edge, edge, flow, 3)
    assert unions[1] > 0


def test_etc_counts_an_absent_class_as_zero() -> None:
    image, flow = still(2, 2)
    consistency = TemporalConsistency(4)
    labels = np.zeros((2, 2), np.uint8)
    consistency.update(labels, labels, motion_between(image, image, flow))
    found = consistency.compute()
    assert found.tc == 1.0
    assert found.tc_etc == pytest.approx(0.25)


def test_sizes_must_fit() -> None:
    image, flow = still(2, 2)
    motion = motion_between(image, image, flow)
    with pytest.raises(EtcEdgeError, match="shape"):
        TemporalConsistency(2).update(np.zeros((3, 3), np.uint8), np.zeros((2, 2), np.uint8), motion)
    with pytest.raises(EtcEdgeError, match="shape"):
        TemporalConsistency(2).update(np.zeros((2, 2), np.uint8), np.zeros((3, 3), np.uint8), motion)
    with pytest.raises(EtcEdgeError, match="no neighbouring frames"):
        TemporalConsistency(2).compute()
