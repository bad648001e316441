"""The confusion matrix against scikit-learn's and torchmetrics'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import confusion_matrix as sklearn_matrix
from sklearn.metrics import jaccard_score

from etc_edge.core.errors import EtcEdgeError
from etc_edge.metrics.confusion import ConfusionMatrix, class_iou, confusion_matrix

NAMES = ("sky", "road", "car", "tree", "person")


def label_maps(values: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.uint8, (9, 7), elements=st.integers(0, values - 1))


@given(label_maps(5), label_maps(6))
def test_matrix_is_scikit_learns(labels: np.ndarray, truth: np.ndarray) -> None:
    truth = np.where(truth == 5, 255, truth).astype(np.uint8)
    kept = truth != 255
    expected = sklearn_matrix(truth[kept], labels[kept], labels=range(5)) if kept.any() else np.zeros((5, 5))
    np.testing.assert_array_equal(confusion_matrix(labels, truth, 5), expected)


def test_figures_are_those_of_scikit_learn_and_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    from torchmetrics.classification import MulticlassJaccardIndex

    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, (4, 40, 60)).astype(np.uint8)
    labels = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 5, truth.shape)).astype(np.uint8)
    truth[rng.random(truth.shape) < 0.1] = 255
    kept = truth != 255
    matrix = ConfusionMatrix(5)
    for one, true in zip(labels, truth, strict=True):
        matrix.update(one, true)
    found = matrix.compute(NAMES)
    assert found.miou == pytest.approx(jaccard_score(truth[kept], labels[kept], average="macro"), abs=1e-12)
    assert list(found.iou.values()) == pytest.approx(list(jaccard_score(truth[kept], labels[kept], average=None)))
    assert found.pixel_accuracy == pytest.approx(float((truth == labels)[kept].mean()))
    other = MulticlassJaccardIndex(5, ignore_index=255)
    other.update(torch.from_numpy(labels.astype(np.int64)), torch.from_numpy(truth.astype(np.int64)))
    assert found.miou == pytest.approx(float(other.compute()), abs=1e-6)


def test_miou_is_over_the_set_and_not_a_mean_of_images() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros((1, 9), np.uint8), np.zeros((1, 9), np.uint8))
    matrix.update(np.array([[0]], np.uint8), np.array([[1]], np.uint8))
    assert matrix.compute(("a", "b")).iou == {"a": 0.9, "b": 0.0}


def test_absent_classes_are_left_out_and_falsely_predicted_ones_count() -> None:
    matrix = ConfusionMatrix(4)
    matrix.update(np.array([0, 0, 2], np.uint8), np.array([0, 0, 0], np.uint8))
    found = matrix.compute(("a", "b", "c", "d"))
    assert found.iou == {"a": pytest.approx(2 / 3), "c": 0.0}
    assert found.miou == pytest.approx(1 / 3)
    assert np.isnan(class_iou(matrix.matrix)[[1, 3]]).all()


def test_another_void_value() -> None:
    assert confusion_matrix(np.array([0, 1], np.uint8), np.array([0, 11], np.uint8), 2, void=11).sum() == 1


@pytest.mark.parametrize(
    ("labels", "truth", "found"),
    [([5], [0], "Found 5 in predicted labels"), ([0], [7], "Found 7 in ground truth"), ([0, 1], [0], "shape")],
)
def test_what_is_no_class_is_refused(labels: list[int], truth: list[int], found: str) -> None:
    with pytest.raises(EtcEdgeError, match=found):
        confusion_matrix(np.array(labels, np.uint8), np.array(truth, np.uint8), 5)


def test_nothing_labelled_is_an_error() -> None:
    with pytest.raises(EtcEdgeError, match="no labelled pixel"):
        ConfusionMatrix(3).compute(("a", "b", "c"))
