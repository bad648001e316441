"""Evaluation against its own metrics used directly, with the same engine on the same frames."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from msgspec import UNSET

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import DatasetError, EtcEdgeError
from etc_edge.core.labels import LabelSet
from etc_edge.core.progress import Silent
from etc_edge.core.results import Accuracy, Data, Model, Results, Temporal, load_results, save_results
from etc_edge.data.dataset import Dataset, open_dataset
from etc_edge.flow.base import open_flow
from etc_edge.metrics.agreement import Agreement
from etc_edge.metrics.confusion import ConfusionMatrix
from etc_edge.metrics.intervals import mean_iou
from etc_edge.metrics.motion import motion_between
from etc_edge.metrics.samples import FrameSamples
from etc_edge.metrics.temporal import TemporalConsistency
from etc_edge.runtime.segmenter import Segmented, Segmenter
from etc_edge.stages.compile import compile_bundle
from etc_edge.stages.evaluate import check_classes, drop_between, evaluate
from tests.drawn_raft import save_weights
from tests.street_models import DATA, float_bundle, int8_bundle

TARGET = "onnxruntime"


class Heard(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Bundle:
    return int8_bundle(floating)


@pytest.fixture(scope="module")
def results(floating: Bundle, int8: Bundle) -> Results:
    return evaluate(int8.path, DATA, "val", floating.path, TARGET, threads=1)


def directly(bundle: Bundle, flow: str | None = None) -> tuple[Accuracy, Any, list[Any]]:
    """Accuracy, steadiness and labels from the metrics themselves; None takes the street's exact flow."""
    dataset = open_dataset(DATA)
    classes, void = len(dataset.label_set), dataset.label_set.void
    confusion, temporal = ConfusionMatrix(classes, void), TemporalConsistency(classes, void)
    estimate = None if flow is None else open_flow(flow)
    everything: list[Any] = []
    with Segmenter.load(bundle, TARGET, 1) as segmenter:
        for clip in dataset.clips("val"):
            shown = [clip[index] for index in range(len(clip))]
            labels = [segmenter(frame.image_rgb) for frame in shown]
            everything += labels
            for frame, found in zip(shown, labels, strict=True):
                assert frame.labels is not None
                confusion.update(found, frame.labels)
            for first, second, one, other in zip(shown, shown[1:], labels, labels[1:], strict=False):
                if estimate is None:
                    assert first.flow_to_next is not None
                    motion = motion_between(
                        first.image_rgb, second.image_rgb, first.flow_to_next, first.visible_in_next
                    )
                else:
                    motion = motion_between(
                        first.image_rgb, second.image_rgb, estimate(first.image_rgb, second.image_rgb)
                    )
                temporal.update(one, other, motion)
    return confusion.compute(dataset.label_set.names), temporal.compute(), everything


def temporal_of(results: Results) -> Temporal:
    assert not isinstance(results.temporal, type(UNSET))
    return results.temporal


def test_figures_are_those_of_the_metrics(results: Results, floating: Bundle, int8: Bundle) -> None:
    accuracy, steadiness, ours = directly(int8)
    assert results.accuracy == accuracy
    found = temporal_of(results)
    assert (found.flow, found.tc, found.tc_etc, found.flicker) == (
        "exact",
        steadiness.tc,
        steadiness.tc_etc,
        steadiness.flicker,
    )
    assert (found.vc8, found.vc16) == (UNSET, UNSET), "clips of three frames hold no window of eight"
    accuracy, steadiness, theirs = directly(floating)
    assert not isinstance(results.reference, type(UNSET))
    assert results.reference.accuracy == accuracy
    assert temporal_of(results.reference).tc == steadiness.tc
    agreement = Agreement()
    for one, other in zip(ours, theirs, strict=True):
        agreement.update(one, other)
    assert found.agreement == agreement.compute()
    assert temporal_of(results.reference).agreement is UNSET


def test_a_flow_that_is_estimated(int8: Bundle) -> None:
    found = evaluate(int8.path, DATA, "val", None, TARGET, "dis-fast", 1)
    _, steadiness, _ = directly(int8, "dis-fast")
    assert (temporal_of(found).flow, temporal_of(found).tc) == ("dis-fast", steadiness.tc)
    assert (found.reference, found.drop) == (UNSET, UNSET)


def test_a_flow_that_is_estimated_by_weights_of_a_file(int8: Bundle, tmp_path: Path) -> None:
    flow = f"raft:{save_weights(tmp_path / 'raft-drawn.pth')}?iterations=1"
    found = evaluate(int8.path, DATA, "val", None, TARGET, flow, 1)
    _, steadiness, _ = directly(int8, flow)
    assert (temporal_of(found).flow, temporal_of(found).tc) == ("raft-drawn-1", steadiness.tc)


def test_a_drop_is_the_reference_minus_ours(results: Results) -> None:
    reference, drop = results.reference, results.drop
    assert not isinstance(reference, type(UNSET))
    assert not isinstance(drop, type(UNSET))
    assert not isinstance(results.accuracy, type(UNSET))
    assert not isinstance(reference.accuracy, type(UNSET))
    assert drop.miou == reference.accuracy.miou - results.accuracy.miou
    for name in ("tc", "tc_etc", "flicker"):
        assert getattr(drop, name) == getattr(temporal_of(reference), name) - getattr(temporal_of(results), name)


def measured(miou: float | None, temporal: Temporal | None) -> Results:
    return Results(
        bundle=Model(name="", sha256="", precision="", model_bytes=1),
        data=Data(name="", frames=1),
        device={},
        versions={},
        accuracy=UNSET if miou is None else Accuracy(miou=miou, pixel_accuracy=0.5, iou={}),
        temporal=UNSET if temporal is None else temporal,
    )


def test_a_worse_model_has_a_positive_drop_and_more_flicker_a_negative_one() -> None:
    better = measured(0.75, Temporal(flow="exact", tc=0.5, tc_etc=0.5, flicker=0.25))
    worse = measured(0.5, Temporal(flow="exact", tc=0.25, tc_etc=0.25, flicker=0.5))
    drop = drop_between(better, worse)
    assert (drop.miou, drop.tc, drop.tc_etc, drop.flicker) == (0.25, 0.25, 0.25, -0.25)
    unknown = drop_between(measured(None, Temporal(agreement=1.0)), worse)
    assert (unknown.miou, unknown.tc, unknown.flicker) == (UNSET, UNSET, UNSET)


def test_what_was_measured_and_on_what(results: Results, int8: Bundle, tmp_path: Path) -> None:
    assert results.bundle == Model(
        name="small-int8",
        sha256=int8.hash,
        precision="int8",
        model_bytes=int8.model_path.stat().st_size,
        target=TARGET,
        threads=1,
        recipe=dict(int8.manifest.recipe),
    )
    assert "quantize" in int8.manifest.recipe
    assert results.data == Data(name="street", split="val", frames=6, clips=2, labelled_frames=6)
    assert not isinstance(results.latency_ms, type(UNSET))
    assert not isinstance(results.stages_ms, type(UNSET))
    assert set(results.stages_ms) == {"preprocess", "infer", "postprocess"}
    assert results.throughput_fps == pytest.approx(1e3 / results.latency_ms.mean)
    assert sum(stage.mean for stage in results.stages_ms.values()) == pytest.approx(results.latency_ms.mean)
    save_results(results, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == results


def test_models_take_turns_at_going_first(floating: Bundle, int8: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    segment = Segmenter.segment

    def noted(self: Segmenter, frame: Any) -> Segmented:
        order.append("int8" if "int8" in self.name else "float")
        return segment(self, frame)

    monkeypatch.setattr(Segmenter, "segment", noted)
    evaluate(int8.path, DATA, "val", floating.path, TARGET, threads=1)
    warm_up, frames = order[:6], order[6:]
    assert warm_up == ["int8"] * 3 + ["float"] * 3
    assert frames == ["int8", "float", "float", "int8"] * 3


@pytest.mark.parametrize(("limit", "frames", "clips"), [(1, 1, 1), (4, 4, 2), (99, 6, 2)])
def test_a_limit_of_frames(limit: int, frames: int, clips: int, int8: Bundle) -> None:
    found = evaluate(int8.path, DATA, "val", None, TARGET, threads=1, frames=limit)
    assert (found.data.frames, found.data.clips) == (frames, clips)
    assert (found.temporal is UNSET) == (limit == 1), "one frame has no neighbour"


def test_a_compiled_engine(int8: Bundle, tmp_path: Path) -> None:
    compiled = compile_bundle(int8.path, TARGET, tmp_path / "engine", threads=1)
    found = evaluate(compiled.path, DATA, "val", frames=2)
    assert found.bundle.sha256 == int8.hash
    assert found.bundle.model_bytes == sum(
        file.stat().st_size for file in compiled.path.iterdir() if file.name != "engine.json"
    )


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Single pictures with labels and the street's classes, every other one without labels."""
    names = "\n".join(f"  - {name}" for name in open_dataset(DATA).label_set.names)
    (tmp_path / "classes.yaml").write_text(f"names:\n{names}\n")
    for kind in ("images", "labels"):
        (tmp_path / "val" / kind).mkdir(parents=True)
    for index, clip in enumerate(open_dataset(DATA).clips("val")):
        frame = clip[0]
        assert frame.labels is not None
        cv2.imwrite(str(tmp_path / "val" / "images" / f"{index}.png"), frame.image_rgb[..., ::-1])
        cv2.imwrite(str(tmp_path / "val" / "labels" / f"{index}.png"), frame.labels)
    return tmp_path


def test_stills_have_agreement_and_no_steadiness(stills: Path, floating: Bundle, int8: Bundle) -> None:
    found = evaluate(int8.path, str(stills), "val", floating.path, TARGET, threads=1)
    assert found.data.clips in (1, 2)
    temporal = temporal_of(found)
    assert not isinstance(temporal.agreement, type(UNSET))
    assert 0.8 < temporal.agreement <= 1
    if found.data.clips == 2:
        assert (temporal.flow, temporal.tc, temporal.flicker) == (UNSET, UNSET, UNSET)


@dataclasses.dataclass
class Renamed:
    """A data set's classes alone."""

    label_set: LabelSet
    name: str = "street"


def test_classes_are_compared(int8: Bundle) -> None:
    names = int8.labels.names
    heard = Heard()

    def check(*others: str) -> None:
        colors = ((0, 0, 0),) * len(others)
        dataset: Dataset = Renamed(LabelSet(others, colors))  # type: ignore[assignment]
        check_classes(int8.labels, dataset, heard)

    check(*names)
    assert heard.lines == []
    check("heaven", *names[1:])
    assert heard.lines == [
        "1 of 9 classes have other names in street than in the model, such as 'heaven' for 'sky': "
        "figures mean something only where they stand for the same"
    ]
    with pytest.raises(DatasetError, match="Found 8 classes in street, expected the model's 9"):
        check(*names[1:])


def test_what_is_refused(int8: Bundle, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Found no data set at"):
        evaluate(int8.path, str(tmp_path / "absent"))
    with pytest.raises(DatasetError, match="Found no split 'trial'"):
        evaluate(int8.path, DATA, "trial")
    with pytest.raises(EtcEdgeError, match="Found no exact flow in this data set"):
        evaluate(int8.path, f"{DATA}&truth=no", flow="exact")
    with pytest.raises(EtcEdgeError, match="dis-fats"):
        evaluate(int8.path, DATA, flow="dis-fats")
    with pytest.raises(EtcEdgeError, match="Found no weights of RAFT at"):
        evaluate(int8.path, DATA, flow=f"raft:{tmp_path}/absent.pth")
    with pytest.raises(EtcEdgeError, match="Found no bundle at"):
        evaluate(tmp_path / "absent.etc", DATA)


def test_labels_are_not_kept(int8: Bundle) -> None:
    """Memory holds two frames, however long the clips are."""

    def peak(frames: int) -> int:
        tracemalloc.start()
        evaluate(
            int8.path,
            f"synthetic:street?size=240x320&frames={frames}&val=1&truth=no",
            "val",
            None,
            TARGET,
            "dis-ultrafast",
            1,
        )
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(15)  # fills the street's own stores of textures
    # A frame's labels are 77 kB: twelve more of them would be 900 kB.
    assert peak(15) - peak(3) < 400_000


def test_numbers_do_not_depend_on_the_reference(results: Results, int8: Bundle) -> None:
    alone = evaluate(int8.path, DATA, "val", None, TARGET, threads=1)
    assert alone.accuracy == results.accuracy
    assert temporal_of(alone).tc == temporal_of(results).tc
    assert np.isfinite(temporal_of(alone).tc)


LONGER = "synthetic:street?size=64x96&frames=8&train=2&val=2"


def test_intervals_hold_the_figures_and_a_model_has_no_drop_against_itself(int8: Bundle, floating: Bundle) -> None:
    found = evaluate(int8.path, LONGER, "val", floating.path, TARGET, threads=1)
    assert not isinstance(found.intervals, type(UNSET))
    assert not isinstance(found.accuracy, type(UNSET))
    low, high = found.intervals["accuracy.miou"]
    assert low <= found.accuracy.miou <= high
    low, high = found.intervals["temporal.tc"]
    assert low <= temporal_of(found).tc <= high
    assert {"drop.miou", "drop.tc", "drop.flicker"} <= set(found.intervals)
    assert not isinstance(found.reference, type(UNSET))
    assert not isinstance(found.reference.intervals, type(UNSET))
    assert not any(name.startswith("drop") for name in found.reference.intervals)
    against_itself = evaluate(int8.path, LONGER, "val", int8.path, TARGET, threads=1)
    assert not isinstance(against_itself.intervals, type(UNSET))
    assert {against_itself.intervals[name] for name in ("drop.miou", "drop.tc", "drop.flicker")} == {(0.0, 0.0)}


def test_samples_sum_to_the_figures(int8: Bundle) -> None:
    found = evaluate(int8.path, DATA, "val", None, TARGET, threads=1)
    assert not isinstance(found.samples, type(UNSET))
    assert not isinstance(found.accuracy, type(UNSET))
    samples = FrameSamples.of(found.samples)
    assert samples.clip_frames == (3, 3)
    assert float(mean_iou(samples.truth.sum(0).reshape(1, -1))[0]) == pytest.approx(found.accuracy.miou)
    assert float(mean_iou(samples.steadiness.sum(0).reshape(1, -1))[0]) == pytest.approx(temporal_of(found).tc)
    changed, same_look = samples.flicker.sum(0)
    assert changed / same_look == pytest.approx(temporal_of(found).flicker)
    assert found.intervals is UNSET, "six frames are too few to say"
