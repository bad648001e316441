"""Two views of a frame against the one-view graph run on both and averaged in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from etc_edge.core.errors import GraphError
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.flip import Average, two_views
from etc_edge.graph.heads import append_labels_head
from etc_edge.graph.load import check_model, copy_model, to_bytes
from etc_edge.graph.preprocess import prepend_preprocessing
from tests.quantized_networks import quantized
from tests.small_networks import BLOCKS, CLASSES, SIZE_HW, Builder, Float, UInt8, deployed, frames, labels_and_logits


def softmax(values: Float) -> Float:
    powers = np.exp(values - values.max(0))
    result: Float = powers / powers.sum(0)
    return result


def enlarged(logits: Float, size_hw: tuple[int, int]) -> Float:
    """Bilinear interpolation with aligned corners, along one axis and then along the other."""
    for axis, size in zip((1, 2), size_hw, strict=True):
        at = np.linspace(0, logits.shape[axis] - 1, size)
        low = np.minimum(at.astype(int), logits.shape[axis] - 2)
        share = np.expand_dims(at - low, axis=[index for index in range(3) if index != axis])
        logits = logits.take(low, axis) * (1 - share) + logits.take(low + 1, axis) * share
    return logits


def by_hand(model: onnx.ModelProto, logits: str, frame: UInt8, average: Average) -> Float:
    """The average of a frame's and its mirror image's logits or probabilities, (classes, h, w)."""
    views: list[Any] = [labels_and_logits(model, logits, view)[1] for view in (frame, frame[:, ::-1].copy())]
    if average == "probabilities":
        views = [softmax(enlarged(view.astype(np.float64), frame.shape[:2])) for view in views]
    mean: Float = (views[0] + views[1][..., ::-1]) / 2
    return mean


@pytest.mark.parametrize("average", ["logits", "probabilities"])
@pytest.mark.parametrize("block", ["add", "transposed", "attention"])
def test_it_is_the_mean_of_both_views(block: str, average: Average) -> None:
    model, logits = deployed(block)
    flipped, averaged = two_views(model, logits, average)
    check_model(flipped, "here")
    for frame in frames(2):
        expected = by_hand(model, logits, frame, average)
        labels, found = labels_and_logits(flipped, averaged, frame)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
        if average == "logits":
            expected = enlarged(expected, SIZE_HW)
        first, second = np.sort(expected, 0)[:-3:-1]
        clear = first - second > 1e-4
        assert clear.mean() > 0.99
        assert np.array_equal(labels[clear], expected.argmax(0)[clear])


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_a_mirrored_frame_has_the_mirrored_logits(block: str) -> None:
    """The law: both views of a frame are both views of its mirror image."""
    model, logits = deployed(block)
    flipped, averaged = two_views(model, logits)
    (frame,) = frames(1, seed=3)
    one, mirrored = (labels_and_logits(flipped, averaged, view)[1] for view in (frame, frame[:, ::-1].copy()))
    np.testing.assert_allclose(one, mirrored[..., ::-1], rtol=1e-4, atol=1e-4 * np.abs(one).max())


def test_a_quantized_graph_keeps_one_set_of_weights() -> None:
    model, logits, _ = quantized("concat")
    flipped, averaged = two_views(model, logits)
    check_model(flipped, "here")
    (frame,) = frames(1)
    expected = by_hand(model, logits, frame, "logits")
    np.testing.assert_allclose(labels_and_logits(flipped, averaged, frame)[1], expected, rtol=1e-5, atol=1e-5)
    assert len(to_bytes(flipped)) < 1.6 * len(to_bytes(model))


def test_the_graph_itself_stays_as_it_was() -> None:
    model, logits = deployed("relu")
    before = copy_model(model)
    two_views(model, logits)
    assert model == before


def test_a_mirrored_view_may_be_mirrored_again() -> None:
    """Four views of which two and two are the same: the mean stays what it was."""
    model, logits = deployed("relu")
    once, mean = two_views(model, logits)
    twice, again = two_views(once, mean)
    (frame,) = frames(1)
    first, second = labels_and_logits(once, mean, frame)[1], labels_and_logits(twice, again, frame)[1]
    np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-5)


def test_what_is_refused() -> None:
    model, logits = deployed("relu")
    with pytest.raises(GraphError, match="Found no tensor 'absent'"):
        two_views(model, "absent")
    endless = copy_model(model)
    for node in endless.graph.node:
        if node.op_type == "ArgMax":
            node.op_type = "ArgMin"
    with pytest.raises(GraphError, match="does not end in an argmax"):
        two_views(endless, logits, "probabilities")


def test_logits_that_need_no_resize() -> None:
    build = Builder()
    network = prepend_preprocessing(build.model(build.conv("image", CLASSES)), Preprocessing(SIZE_HW))
    flipped, averaged = two_views(*append_labels_head(network, CLASSES, SIZE_HW, "align_corners"), "probabilities")
    (frame,) = frames(1)
    labels, probabilities = labels_and_logits(flipped, averaged, frame)
    np.testing.assert_allclose(probabilities.sum(0), 1, rtol=1e-5)
    assert np.array_equal(labels, probabilities.argmax(0))
