"""What may be compared between two frames."""

from __future__ import annotations

import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.frames.street.renderer import Street
from etc_edge.metrics.motion import motion_between


def test_flow_that_leaves_the_frame_and_occlusion_are_not_valid() -> None:
    image = np.zeros((2, 3, 3), np.uint8)
    flow = np.zeros((2, 3, 2), np.float32)
    flow[0, 0] = (-0.6, 0)
    flow[1, 2] = (0, 0.4)
    visible = np.ones((2, 3), bool)
    visible[0, 1] = False
    motion = motion_between(image, image, flow, visible)
    np.testing.assert_array_equal(motion.valid, [[False, False, True], [True, True, True]])
    np.testing.assert_array_equal(motion.bring_back(np.arange(6, dtype=np.uint8).reshape(2, 3))[1], [3, 4, 5])


def test_most_visible_pixels_of_the_street_look_the_same_along_exact_flow() -> None:
    street = Street(9, (144, 256))
    flow, visible = street.truth(0)
    images = street.frame(0).image_rgb, street.frame(1).image_rgb
    along = motion_between(*images, flow, visible)
    astray = motion_between(*images, flow + 6, visible)
    assert along.unchanged.sum() > 0.85 * along.valid.sum()
    assert along.unchanged.sum() > 1.1 * astray.unchanged.sum()


def test_sizes_must_fit() -> None:
    with pytest.raises(EtcEdgeError, match="expected one size"):
        motion_between(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 2), np.float32))
