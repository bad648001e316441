"""The head that computes little gives the labels of ONNX Runtime's Resize and ArgMax, to the last bit."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from etc_edge.backends import labels_head
from etc_edge.backends.bilinear import Upsampling
from etc_edge.backends.headless import load_headless
from etc_edge.backends.labels_head import HEAD, HeadPlan, LabelsHead, output_of
from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError
from etc_edge.frames.source import open_source
from etc_edge.graph.load import to_bytes
from etc_edge.stages.demo import MODEL
from tests.tiny_bundle import write_tiny_bundle

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
Size = tuple[int, int]

UPSAMPLINGS: tuple[Upsampling, ...] = ("align_corners", "half_pixel")


@cache
def resize_and_argmax(classes: int, size_hw: Size, out_hw: Size, upsampling: Upsampling) -> bytes:
    node = helper.make_node
    nodes = [
        node("Resize", ["logits", "", "", "size"], ["full"], mode="linear", coordinate_transformation_mode=upsampling),
        node("ArgMax", ["full"], ["best"], axis=1, keepdims=0),
        node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "head",
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, classes, *size_hw])],
        [helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, *out_hw])],
        [numpy_helper.from_array(np.array([1, classes, *out_hw], np.int64), "size")],
    )
    return to_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def expected(logits: Float, out_hw: Size, upsampling: Upsampling) -> UInt8:
    classes, height, width = logits.shape
    model = resize_and_argmax(classes, (height, width), out_hw, upsampling)
    labels: UInt8 = run_reference(model, {"logits": logits[None]})[0][0]
    return labels


def made(kind: str, shape: tuple[int, int, int], seed: int) -> Float:
    """Logits of a kind, float32 (classes, h, w)."""
    random = np.random.default_rng(seed)
    if kind == "random":
        values = random.normal(size=shape) * 10.0 ** random.integers(-3, 4)
    elif kind == "ties":
        values = random.integers(-2, 2, shape) * 0.1
    elif kind == "equal":
        values = np.full(shape, 0.1)
    elif kind == "a rounding apart":
        base = np.float32(random.normal())
        values = base + np.spacing(base) * random.integers(-2, 3, shape).astype(np.float32)
    else:
        coarse = random.normal(size=(shape[0], 3, 4)).astype(np.float32)
        values = np.stack([cv2.resize(plane, shape[:0:-1], interpolation=cv2.INTER_CUBIC) for plane in coarse])
    return np.ascontiguousarray(values, np.float32)


KINDS = ("random", "ties", "equal", "a rounding apart", "smooth")


@given(
    kind=st.sampled_from(KINDS),
    shape=st.tuples(st.integers(2, 6), st.integers(1, 9), st.integers(1, 9)),
    out_hw=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    upsampling=st.sampled_from(UPSAMPLINGS),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150)
def test_any_size_any_logits(
    kind: str, shape: tuple[int, int, int], out_hw: Size, upsampling: Upsampling, seed: int
) -> None:
    logits = made(kind, shape, seed)
    found = LabelsHead((shape[1], shape[2]), out_hw, upsampling)(logits)
    assert (found.dtype, found.shape) == (np.uint8, out_hw)
    np.testing.assert_array_equal(found, expected(logits, out_hw, upsampling))


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("together", [1, 300, 2**17])
def test_parts_of_any_size(kind: str, upsampling: Upsampling, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_head, "VALUES_TOGETHER", together)
    size_hw, out_hw = ((24, 32), (190, 256)) if together > 1 else ((6, 8), (47, 64))
    head, logits = LabelsHead(size_hw, out_hw, upsampling, threads=2), made(kind, (11, *size_hw), 3)
    np.testing.assert_array_equal(head(logits), expected(logits, out_hw, upsampling))
    head.close()


@pytest.mark.parametrize("out_hw", [(300, 7), (3, 260), (129, 130)])
@pytest.mark.parametrize("kind", KINDS)
def test_far_fewer_samples_than_pixels(kind: str, out_hw: Size) -> None:
    """More pixels lie between two samples than a tile is long."""
    logits = made(kind, (5, 3, 4), 7)
    for upsampling in UPSAMPLINGS:
        found = LabelsHead((3, 4), out_hw, upsampling)(logits)
        np.testing.assert_array_equal(found, expected(logits, out_hw, upsampling))


@pytest.mark.parametrize("size", [1e-42, 1e-30, 1e30])
def test_logits_of_any_size(size: float) -> None:
    """What is too small for float32's full precision ties more often; that it is no smaller than others is the same."""
    logits = (made("random", (5, 12, 14), 0) * np.float32(size)).astype(np.float32)
    for upsampling in UPSAMPLINGS:
        found = LabelsHead((12, 14), (96, 112), upsampling)(logits)
        np.testing.assert_array_equal(found, expected(logits, (96, 112), upsampling))


def test_few_tiles_of_clear_logits_are_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    exactly = LabelsHead._label_exactly
    monkeypatch.setattr(
        LabelsHead,
        "_label_exactly",
        lambda self, logits, possible, tiles, labels: (
            asked.append(len(tiles)),
            exactly(self, logits, possible, tiles, labels),
        ),
    )
    logits = made("smooth", (11, 24, 32), 3)
    found = LabelsHead((24, 32), (192, 256), "half_pixel")(logits)
    np.testing.assert_array_equal(found, expected(logits, (192, 256), "half_pixel"))
    assert sum(asked) < 8


def test_a_tie_made_by_rounding_goes_to_the_first_class() -> None:
    """Class 1 leads by one unit at every sample, and class 0 wins wherever rounding makes the two equal."""
    one = np.float32(1 / 3)
    logits = np.stack([np.full((6, 6), one), np.full((6, 6), np.nextafter(one, np.float32(1)))])
    found = LabelsHead((6, 6), (41, 41), "align_corners")(logits)
    assert set(np.unique(found)) == {0, 1}
    np.testing.assert_array_equal(found, expected(logits, (41, 41), "align_corners"))


def test_logits_of_the_shipped_network() -> None:
    bundle = Bundle.open(MODEL)
    model, size_hw = bundle.model_path.read_bytes(), bundle.preprocessing.size_hw
    graph = onnx.load_from_string(model)
    graph.graph.output.append(helper.make_tensor_value_info(bundle.manifest.logits, TensorProto.FLOAT, None))
    with open_source("synthetic:street?frames=1&seed=4") as source:
        frame = next(iter(source)).image_rgb
    labels, logits = run_reference(to_bytes(graph), {"frame": frame[None]}, ["labels", bundle.manifest.logits])
    head = LabelsHead(logits.shape[2:], size_hw, "align_corners")
    assert len(np.unique(labels)) > 4
    np.testing.assert_array_equal(head(logits[0]), labels[0])


def test_results_are_the_callers_own_and_logits_stay() -> None:
    logits = made("smooth", (4, 8, 8), 0)
    kept, head = logits.copy(), LabelsHead((8, 8), (32, 32), "half_pixel")
    first = head(logits)
    before = first.copy()
    head(logits[::-1].copy())
    np.testing.assert_array_equal(first, before)
    np.testing.assert_array_equal(logits, kept)


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    head = LabelsHead((48, 64), (384, 512), "half_pixel", threads=3)
    head(made("random", (5, 48, 64), 1))
    assert threading.active_count() > before
    head.close()
    head.close()
    assert threading.active_count() == before


def test_what_does_not_fit() -> None:
    with pytest.raises(EngineError, match="upsampling 'cubic'.*expected one of align_corners"):
        LabelsHead((4, 4), (8, 8), "cubic")  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="expected 1 or more"):
        LabelsHead((4, 0), (8, 8), "half_pixel")
    head = LabelsHead((4, 4), (8, 8), "half_pixel")
    with pytest.raises(EngineError, match=r"float32 \(3, 4, 5\), expected float32 \(classes, 4, 4\)"):
        head(np.zeros((3, 4, 5), np.float32))
    with pytest.raises(EngineError, match="float64"):
        head(np.zeros((3, 4, 4)))  # type: ignore[arg-type]


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = HeadPlan(upsampling="half_pixel", size_hw=(32, 48))
    assert HeadPlan.read(tmp_path) is None
    plan.write(tmp_path)
    assert HeadPlan.read(tmp_path) == plan
    assert output_of(plan, (1, 3, 16, 24)).dtype == np.float32
    with pytest.raises(EngineError, match="expected logits"):
        output_of(plan, (1, 32, 48))
    (tmp_path / HEAD).write_text('{"upsampling": "cubic", "size_hw": [1, 2]}')
    with pytest.raises(EngineError, match="could not load"):
        HeadPlan.read(tmp_path)


def test_a_bundles_graph_ends_in_logits_and_its_plan_makes_the_labels(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc")
    model, plan = load_headless(bundle, tmp_path), HeadPlan.read(tmp_path)
    assert [info.name for info in model.graph.output] == [bundle.manifest.logits]
    assert plan is not None
    selftest = bundle.selftest()
    for frame, labels in zip(selftest.frames, selftest.labels, strict=True):
        logits = run_reference(to_bytes(model), {"frame": frame[None]})[0]
        np.testing.assert_array_equal(plan.head(logits.shape, 1)(logits[0]), labels)
