"""Quantized bundles: where they come from, ranges that are edited and used again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import BundleError, CalibrationError, EtcEdgeError
from etc_edge.data.dataset import open_dataset
from etc_edge.graph.grid import Grid
from etc_edge.graph.qdq import pairs
from etc_edge.graph.tensorrt import tensors_that_lose_steps
from etc_edge.graph.view import GraphView
from etc_edge.quantization.ranges import load_ranges
from etc_edge.quantization.recipe import CalibrationRecipe, RefineRecipe
from etc_edge.stages.export import labels_of
from etc_edge.stages.quantize import quantize, scheme_of
from tests.street_models import DATA, RECIPE, float_bundle, int8_bundle


@pytest.fixture(scope="module")
def floating(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return float_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def int8(floating: Bundle) -> Bundle:
    return int8_bundle(floating)


def grids(bundle: Bundle) -> dict[str, Grid]:
    return {pair.tensor: pair.grid for pair in pairs(GraphView(onnx.load(bundle.model_path)))}


def edited(int8: Bundle, folder: Path, change: Callable[[Any], object]) -> Path:
    assert int8.ranges_path is not None
    ranges = json.loads(int8.ranges_path.read_bytes())
    change(ranges)
    (folder / "ranges.json").write_text(json.dumps(ranges))
    return folder / "ranges.json"


def test_what_the_bundle_says(floating: Bundle, int8: Bundle) -> None:
    int8.verify()
    assert (int8.name, int8.precision) == ("small-int8", "int8")
    assert int8.manifest.parents == [floating.hash]
    assert (int8.labels, int8.preprocessing) == (floating.labels, floating.preprocessing)
    described = int8.manifest.recipe["quantize"]
    assert (described["observer"], described["scheme"]) == ("mse", "affine")
    assert described["data"] == {"dataset": "street", "split": "train", "frames": 6}
    assert int8.manifest.recipe["export"] == floating.manifest.recipe["export"]


def test_labels_are_near_those_of_the_float_bundle(floating: Bundle, int8: Bundle) -> None:
    selftest = int8.selftest()
    assert np.array_equal(selftest.frames, floating.selftest().frames)
    assert np.array_equal(selftest.labels, labels_of(int8.model_path.read_bytes(), selftest.frames))
    assert np.mean(selftest.labels == floating.selftest().labels) > 0.9


def test_the_report(floating: Bundle, tmp_path: Path) -> None:
    report = quantize(floating.path, tmp_path / "q.etc", RECIPE, DATA)
    assert report.frames == 6
    assert report.int8_macs > 0.95
    assert set(grids(report.bundle)) == set(report.placement.tensors)
    assert report.seconds > 0


def test_the_same_calibration_gives_the_same_graph(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    again = quantize(floating.path, tmp_path / "q.etc", RECIPE, DATA).bundle
    assert again.manifest.files["model.onnx"] == int8.manifest.files["model.onnx"]


def test_ranges_are_used_again(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    report = quantize(floating.path, tmp_path / "q.etc", RECIPE, ranges=int8.ranges_path)
    assert report.frames == 0
    for name in ("model.onnx", "ranges.json"):
        assert report.bundle.manifest.files[name] == int8.manifest.files[name]


def test_ranges_are_used_again_where_a_frame_exceeds_what_bounds_were_chosen_on(tmp_path: Path) -> None:
    # Of a network with ReLU6 equalisation brings bounds down to what a first look saw: here one frame.
    floating = float_bundle(tmp_path, "depthwise")
    seen = msgspec.structs.replace(RECIPE, calibration=CalibrationRecipe(split="train", frames=1))
    first = quantize(floating.path, tmp_path / "first.etc", seen, DATA).bundle
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, ranges=first.ranges_path)
    assert again.bundle.manifest.files["model.onnx"] == first.manifest.files["model.onnx"]
    nodes = onnx.load(floating.model_path).graph.node
    bounded = next(node for node in nodes if node.op_type == "Clip")
    group = [next(node.name for node in nodes if bounded.input[0] in node.output), bounded.name]
    mixed = msgspec.structs.replace(RECIPE, keep_float=group)
    report = quantize(floating.path, tmp_path / "mixed.etc", mixed, ranges=first.ranges_path)
    assert [report.placement.float_nodes[name] for name in group] == ["asked for", "asked for"]


def test_an_edited_range_is_in_the_graph(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    name = list(grids(int8))[3]
    path = edited(int8, tmp_path, lambda data: data["tensors"].update({name: {"low": -0.5, "high": 3.0}}))
    report = quantize(floating.path, tmp_path / "q.etc", RECIPE, ranges=path)
    found, before = grids(report.bundle), grids(int8)
    assert found.pop(name) == Grid.covering(-0.5, 3.0, "affine")
    assert found == {key: grid for key, grid in before.items() if key != name}


def test_operators_stay_in_float_by_recipe_and_by_ranges(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    nodes = onnx.load(floating.model_path).graph.node
    by_ranges = next(node.name for node in nodes if node.op_type == "Concat")
    by_recipe = next(node.name for node in nodes if node.op_type == "MaxPool")
    path = edited(int8, tmp_path, lambda data: data.update(keep_float=[by_ranges]))
    recipe = msgspec.structs.replace(RECIPE, keep_float=[by_recipe])
    report = quantize(floating.path, tmp_path / "q.etc", recipe, ranges=path)
    reasons = report.placement.float_nodes
    assert (reasons[by_ranges], reasons[by_recipe]) == ("asked for", "asked for")
    assert report.bundle.ranges_path is not None
    assert json.loads(report.bundle.ranges_path.read_bytes())["keep_float"] == [by_ranges, by_recipe]
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, ranges=report.bundle.ranges_path)
    assert again.placement == report.placement


def test_targets_choose_the_grid(floating: Bundle, tmp_path: Path) -> None:
    signed = quantize(floating.path, tmp_path / "q.etc", RECIPE, DATA, "torch_tensorrt").bundle
    assert all(not grid.unsigned and grid.zero_point == 0 for grid in grids(signed).values())
    assert {scheme_of(target) for target in ("cpu", "onnxruntime", "openvino")} == {"affine"}
    with pytest.raises(CalibrationError, match="Found the target 'tensorr'") as error:
        scheme_of("tensorr")
    assert error.value.hint == "Did you mean 'tensorrt'?"


def test_for_tensorrt_each_tensor_has_the_grid_that_it_is_lowered_to(floating: Bundle, tmp_path: Path) -> None:
    affine, signed, mixed = (
        quantize(floating.path, tmp_path / f"{target}.etc", RECIPE, DATA, target).bundle
        for target in ("cpu", "torch_tensorrt", "tensorrt")
    )
    lost = set(tensors_that_lose_steps(onnx.load(affine.model_path)))
    assert lost
    assert lost != set(grids(affine))
    assert mixed.ranges_path is not None
    found = load_ranges(mixed.ranges_path, json.loads(mixed.ranges_path.read_bytes())["graph"]).tensors
    assert lost <= {name for name, span in found.items() if span.scheme == "symmetric"}
    for name, grid in grids(mixed).items():
        assert grid == grids(affine if found[name].scheme is None else signed)[name]
    assert tensors_that_lose_steps(onnx.load(mixed.model_path)) == [], "nothing is left to be made signed"
    assert mixed.manifest.recipe["quantize"]["scheme"] == "mixed"
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, ranges=mixed.ranges_path, target="tensorrt").bundle
    assert grids(again) == grids(mixed)


@pytest.mark.parametrize("observer", ["minmax", "moving_average", "percentile", "entropy"])
def test_every_observer_and_no_equalisation(observer: str, floating: Bundle, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(RECIPE, observer=observer, equalize=False)
    bundle = quantize(floating.path, tmp_path / "q.etc", recipe, DATA).bundle
    assert np.mean(bundle.selftest().labels == floating.selftest().labels) > 0.85


def test_refined_ranges_are_kept_and_used_again(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    # Min-max ranges on a long tail leave much to be found.
    recipe = msgspec.structs.replace(RECIPE, observer="minmax", refine=RefineRecipe(pairs=4, tensors=4))
    report = quantize(floating.path, tmp_path / "q.etc", recipe, DATA)
    refined, ranges_path = report.refinement, report.bundle.ranges_path
    assert refined is not None
    assert ranges_path is not None
    assert len(refined.tried) == 4
    described = report.bundle.manifest.recipe["quantize"]
    assert described["refine"] == {"steadiness": 3.0, "pairs": 4, "tensors": 4}
    assert described["data"]["refined"] == refined.described(recipe.refine or RefineRecipe())
    plain = quantize(floating.path, tmp_path / "p.etc", msgspec.structs.replace(recipe, refine=None), DATA)
    assert plain.refinement is None
    before, after = grids(plain.bundle), grids(report.bundle)
    changed = {name for name in before if before[name] != after[name]} - set(report.placement.shared)
    assert changed == (set(refined.factors) if refined.kept else set())
    again = quantize(floating.path, tmp_path / "again.etc", RECIPE, ranges=ranges_path)
    assert again.bundle.manifest.files["model.onnx"] == report.bundle.manifest.files["model.onnx"]


def test_refinement_does_not_look_at_frames_kept_out(floating: Bundle, tmp_path: Path) -> None:
    keep_out = frozenset(
        (clip.name, index)
        for number, clip in enumerate(open_dataset(DATA).clips("train"))
        for index in (range(3) if number else (1, 2))
    )
    recipe = msgspec.structs.replace(RECIPE, refine=RefineRecipe(pairs=4))
    with pytest.raises(CalibrationError, match="Found 1 pairs of neighbours"):
        quantize(floating.path, tmp_path / "q.etc", recipe, DATA, keep_out=keep_out)
    assert not (tmp_path / "q.etc").exists()


def refused(floating: Bundle, out: Path, **arguments: Any) -> EtcEdgeError:
    given = {"recipe": RECIPE, "data": DATA, **arguments}
    with pytest.raises(EtcEdgeError) as error:
        quantize(given.pop("bundle", floating.path), out, **given)
    assert not out.exists() or out == floating.path
    return error.value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.update(graph="ab" * 32), "were made for graph abababababab…"),
        (lambda data: data["tensors"].update(nobody={"low": 0, "high": 1}), "Found a range for 'nobody'"),
        (lambda data: data["tensors"].popitem(), "Found no range for tensor"),
        (lambda data: data.update(keep_float=["Conv_0x"]), "Found 'Conv_0x' in keep_float, which is no operator"),
        (lambda data: next(iter(data["equalization"].values())).pop(), "equalisation factors for tensor"),
        (lambda data: data["equalization"].update(nobody=[1.0]), "Found 1 equalisation factors for tensor 'nobody'"),
        (lambda data: data["equalization"].popitem(), "change the network's logits"),
    ],
)
def test_ranges_that_do_not_fit(
    change: Callable[[Any], object], says: str, floating: Bundle, int8: Bundle, tmp_path: Path
) -> None:
    ranges = edited(int8, tmp_path, change)
    assert says in refused(floating, tmp_path / "q.etc", ranges=ranges).message


def test_what_is_refused(floating: Bundle, int8: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "q.etc"
    assert "Found a bundle of precision int8" in refused(floating, out, bundle=int8.path).message
    assert "Found no data to calibrate on" in refused(floating, out, data=None).message
    assert "Found no data set at" in refused(floating, out, data=str(tmp_path / "absent")).message
    unknown = msgspec.structs.replace(RECIPE, observer="msee")
    assert refused(floating, out, recipe=unknown).hint == "Did you mean 'mse'?"
    other = msgspec.structs.replace(RECIPE, calibration=CalibrationRecipe(split="trial"))
    assert "Found no split 'trial'" in refused(floating, out, recipe=other).message
    assert "no operator" in refused(floating, out, recipe=msgspec.structs.replace(RECIPE, keep_float=["x"])).message
    assert "Choose another --out" in str(refused(floating, floating.path))
    assert isinstance(refused(floating, tmp_path / "q.onnx"), BundleError)


def test_an_interrupted_calibration_leaves_nothing(
    floating: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def interrupted(image: Any, size_hw: tuple[int, int]) -> Any:
        seen.append(1)
        if len(seen) == 9:
            raise KeyboardInterrupt
        return np.ascontiguousarray(image[: size_hw[0], : size_hw[1]])

    monkeypatch.setattr("etc_edge.stages.calibration.fit_frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantize(floating.path, tmp_path / "q.etc", RECIPE, DATA)
    assert list(tmp_path.iterdir()) == []
