"""What every optical flow estimator does: one abstract test, one subclass an estimator."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from etc_edge.core.errors import EtcEdgeError
from etc_edge.flow.base import FLOWS, SCHEMES, Flow, open_flow
from etc_edge.frames.street.renderer import Street

# The path of raft-things.pth, where it is at hand: weights are not ours to ship.
RAFT_WEIGHTS = os.environ.get("ETC_EDGE_RAFT_WEIGHTS")


class FlowContract:
    """Hold an estimator to the protocol, on motion that is known."""

    flow_name: str
    endpoint_error_px: float

    @classmethod
    def spec(cls) -> str:
        """What opens it: its name, or scheme and file."""
        return cls.flow_name

    @pytest.fixture
    def flow(self) -> Flow:
        return open_flow(self.spec())

    def test_its_name_is_the_one_that_results_show(self, flow: Flow) -> None:
        assert flow.name == self.flow_name

    def test_finds_a_shift_with_its_sign(self, flow: Flow) -> None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(0, 255, (20, 26, 3), np.uint8)
        scene = cv2.resize(coarse, (260, 200), interpolation=cv2.INTER_CUBIC)
        image, following = scene[10:170, 10:230], scene[8:168, 13:233]
        found = flow(np.ascontiguousarray(image), np.ascontiguousarray(following))
        assert found.shape == (160, 220, 2)
        assert found.dtype == np.float32
        np.testing.assert_allclose(np.median(found[20:-20, 20:-20], (0, 1)), (-3, 2), atol=0.1)

    def test_follows_the_street(self, flow: Flow) -> None:
        street = Street(4, (240, 320))
        exact, visible = street.truth(10)
        found = flow(street.frame(10).image_rgb, street.frame(11).image_rgb)
        error = np.linalg.norm(found - exact, axis=-1)[visible]
        assert np.median(error) < self.endpoint_error_px

    def test_is_the_same_whatever_came_before(self, flow: Flow) -> None:
        street = Street(4, (120, 160))
        images = [street.frame(index).image_rgb for index in (0, 1, 6)]
        first = flow(images[0], images[1])
        flow(images[1], images[2])
        np.testing.assert_array_equal(flow(images[0], images[1]), first)
        np.testing.assert_array_equal(open_flow(self.spec())(images[0], images[1]), first)

    def test_refuses_frames_that_differ_in_size(self, flow: Flow) -> None:
        with pytest.raises(EtcEdgeError, match="expected one size"):
            flow(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 40, 3), np.uint8))


class TestDisUltrafast(FlowContract):
    flow_name, endpoint_error_px = "dis-ultrafast", 2.0


class TestDisFast(FlowContract):
    flow_name, endpoint_error_px = "dis-fast", 1.2


class TestDisMedium(FlowContract):
    flow_name, endpoint_error_px = "dis-medium", 1.0


@pytest.mark.skipif(RAFT_WEIGHTS is None, reason="ETC_EDGE_RAFT_WEIGHTS names no file of raft-things.pth")
class TestRaft(FlowContract):
    flow_name, endpoint_error_px = "raft-things-12", 0.5

    @classmethod
    def spec(cls) -> str:
        return f"raft:{RAFT_WEIGHTS}"

    def test_is_nearer_to_the_truth_than_dis(self, flow: Flow) -> None:
        errors: dict[str, list[float]] = {"dis-medium": [], "raft-things-12": []}
        for seed in range(3):
            street = Street(seed, (192, 256))
            exact, visible = street.truth(5)
            for estimate in (open_flow("dis-medium"), flow):
                found = estimate(street.frame(5).image_rgb, street.frame(6).image_rgb)
                errors[estimate.name].append(np.linalg.norm(found - exact, axis=-1)[visible].mean())
        assert np.mean(errors["raft-things-12"]) < 0.8 * np.mean(errors["dis-medium"])


def test_every_row_of_the_tables_is_held_to_the_contract() -> None:
    held = {kind.spec().partition(":")[0] for kind in FlowContract.__subclasses__()}
    assert held == {*FLOWS.names(), *SCHEMES.names()}
