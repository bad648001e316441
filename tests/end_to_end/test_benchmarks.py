"""The benchmarks run on the shipped network, and what they say of it is what the commands say."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
import yaml
from torch import nn

from etc_edge.core.bundle import Bundle
from etc_edge.core.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from etc_edge.data.dataset import open_dataset
from etc_edge.data.sampling import listed_frames, sample_list
from etc_edge.frames.street.classes import STREET_CLASSES
from etc_edge.losses.cross_entropy import cross_entropy
from etc_edge.models.onnx_export import to_onnx
from etc_edge.models.table import build_network
from etc_edge.quantization.recipe import CalibrationRecipe, QuantizeRecipe
from etc_edge.stages.demo import MODEL
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.finetune import finetune
from etc_edge.stages.quantize import quantize
from etc_edge.training.finetuning.recipe import FinetuneRecipe
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.recipe import DataRecipe
from tests.architecture.package_files import REPOSITORY

STREET = "synthetic:street?size=288x512&seed=5&frames=3&train=1&val=1"
TINY_STREET = "synthetic:street?size=64x96&frames=3&train=1&val=1"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture(scope="module")
def int8(work: Path) -> Path:
    recipe = QuantizeRecipe(calibration=CalibrationRecipe(frames=2))
    return quantize(MODEL, work / "street_small-int8.etc", recipe, STREET).bundle.path


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "benchmarks" / f"{script}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def record(path: Path, script: str, *arguments: object) -> Any:
    """The record that a script writes to a path."""
    done = run(script, *arguments, "--json", path)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tuned(work: Path, int8: Path) -> Path:
    recipe = FinetuneRecipe(steps=1, batch_size=1, workers=0, data=DataRecipe(holdout=0.5, holdout_blocks=1))
    finetune(int8, MODEL, work / "street_small-tuned.etc", recipe, STREET)
    return work / "street_small-tuned.etc"


@pytest.fixture(scope="module")
def peers(work: Path, int8: Path, tuned: Path) -> Any:
    arguments = (MODEL, int8, "--finetuned", tuned, "--data", STREET, "--peer", "none", "--rounds", 1)
    return record(work / "results" / "int8_peers-street_small.json", "int8_peers", *arguments)


def test_int8_peers_gives_the_figures_of_evaluate(peers: Any, int8: Path) -> None:
    by_name = {entry["name"]: entry for entry in peers["figures"]["networks"]}
    makers, engines = ("fp32", "etc-edge", "etc-edge fine-tuned"), ("onnxruntime", "openvino")
    assert by_name.keys() == {f"{maker} · {engine}" for maker in makers for engine in engines}
    expected = evaluate(int8, STREET, "val", reference=MODEL, target="onnxruntime")
    ours = by_name["etc-edge · onnxruntime"]
    assert ours["accuracy"]["miou"] == pytest.approx(expected.accuracy.miou)
    assert ours["temporal"]["tc"] == pytest.approx(expected.temporal.tc)
    assert ours["temporal"]["agreement"] == pytest.approx(expected.temporal.agreement)
    assert ours["drop"]["miou"] == pytest.approx(expected.drop.miou)
    assert ours["drop"]["flicker"] == pytest.approx(expected.drop.flicker)
    chosen = peers["figures"]["chosen_backend"]
    against_fp32 = {f"{figure}: FP32 − {one}" for figure in ("mIoU", "tc") for one in ("ours", "ours fine-tuned")}
    time = f"time: ours fine-tuned on {chosen} / ours on {chosen}"
    assert {goal["name"] for goal in peers["goals"]} == against_fp32 | {time}


def test_int8_peers_counts_calibration_and_fine_tuning(peers: Any, tuned: Path) -> None:
    taken = {entry["maker"]: entry.get("quantize_s") for entry in peers["figures"]["networks"]}
    trained_s = Bundle.open(tuned).manifest.results["finetune"]["seconds"]
    assert taken["fp32"] is None
    assert taken["etc-edge fine-tuned"] == pytest.approx(taken["etc-edge"] + trained_s, abs=0.02)


def test_peers_judge_on_labelled_frames_that_nobody_calibrates_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    held_back = importlib.import_module("measuring.calibration_frames").held_back
    dataset = open_dataset("synthetic:street?size=32x48&frames=5&train=3&val=1")
    calibrated = sample_list(dataset, "train", 6)
    keys = {(run.clip, index) for run in calibrated.runs() for index in run.indices()}
    judged = held_back(dataset, calibrated, 100)
    left = {(run.clip, index) for run in judged.runs() for index in run.indices()}
    assert (len(left), left & keys) == (15 - len(keys), set())
    assert held_back(dataset, calibrated, 4).frame_count == 4
    assert all(frame.labels is not None for frame in listed_frames(dataset, judged))
    assert held_back(dataset, sample_list(dataset, "train", 15), 100) is None


def test_every_figure_of_every_peer_is_a_goal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    comparison, of_peers = (importlib.import_module(f"measuring.{name}") for name in ("comparison", "peer_goals"))

    def network(maker: str, miou: float, flicker: float, ms: float) -> Any:
        contender = SimpleNamespace(maker=maker, backend="openvino")
        temporal = {"tc": 0.8, "flicker": flicker, "agreement": 0.99}
        figures = SimpleNamespace(accuracy=SimpleNamespace(miou=miou), temporal=temporal)
        return comparison.Measured(contender, figures, [ms])

    fp32, ours = network("fp32", 0.7, 0.02, 40.0), network("etc-edge", 0.69, 0.03, 10.0)
    tuned, other = network("etc-edge fine-tuned", 0.71, 0.01, 11.0), network("nncf", 0.695, 0.02, 8.0)
    measured = [fp32, ours, tuned, other]
    ratios = of_peers.time_ratios(measured, fp32, "openvino")
    goals = of_peers.goals(measured, ratios, "openvino", True)
    found = {goal.name: (round(goal.value, 6), goal.holds) for goal in goals}
    assert found["time: FP32 on openvino / ours on openvino"] == (4.0, True)
    assert found["mIoU: FP32 − ours"] == (0.01, False)
    assert found["mIoU: FP32 − ours fine-tuned"] == (-0.01, True)
    assert found["mIoU: nncf − ours"] == (0.005, False)
    assert found["flicker: ours − nncf"] == (0.01, False)
    assert found["flicker: ours fine-tuned − nncf"] == (-0.01, True)
    assert found["agreement: nncf − ours"] == found["tc: nncf − ours fine-tuned"] == (0.0, True)
    assert found["time: ours on openvino / nncf on openvino"] == (1.25, False)


def teach_the_street(network: nn.Module, steps: int = 40) -> None:
    """Enough to have an opinion: of random logits, rounding turns the label of every tenth pixel."""
    (clip,) = open_dataset(TINY_STREET).clips("train")
    frames = [clip[index] for index in clip.labelled]
    images = Normalisation(IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, torch.device("cpu"))(
        torch.from_numpy(np.stack([frame.image_rgb for frame in frames]))
    )
    labels = torch.from_numpy(np.stack([frame.labels for frame in frames if frame.labels is not None])).long()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    network.train()
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(network(images)[0], labels, STREET_CLASSES.void).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def test_hold_out_fine_tunes_a_network_that_came_as_onnx(work: Path) -> None:
    torch.manual_seed(0)
    # PReLU, dilated and transposed convolutions, many concatenations: nothing that the other networks have.
    network = build_network("espnet", len(STREET_CLASSES))
    teach_the_street(network)
    onnx.save(to_onnx(network.eval(), (64, 96)), work / "espnet.onnx")
    finetuning = {"steps": 1, "batch_size": 1, "workers": 0, "data": {"holdout": 0.5, "holdout_blocks": 1}}
    (work / "further.yaml").write_text(yaml.safe_dump({"finetune": finetuning}), encoding="utf-8")
    given = ("--data", TINY_STREET, "--calibration-frames", 2)
    tuning = ("--finetune", work / "further.yaml", "--peer", "none", "--rounds", 1)
    found = record(work / "hold_out.json", "hold_out", work / "espnet.onnx", *given, *tuning)
    assert {"PRelu", "ConvTranspose", "Concat"} <= found["settings"]["operators"].keys()
    assert found["settings"]["finetune"]["steps"] == 1
    seconds = {entry["maker"]: entry.get("quantize_s", 0) for entry in found["figures"]["networks"]}
    assert seconds["etc-edge fine-tuned"] > seconds["etc-edge"] > seconds["fp32"] == 0
    bounds = {goal["name"]: goal["bound"] for goal in found["goals"] if "fine-tuned" in goal["name"]}
    assert bounds == dict.fromkeys(("mIoU: FP32 − ours fine-tuned", "tc: FP32 − ours fine-tuned"), 0.001)


def test_calibration_cost_takes_as_many_inferences_as_frames(work: Path) -> None:
    arguments = (MODEL, "--data", STREET, "--frames", 3, "--block", 2, "--target", "onnxruntime")
    found = record(work / "cost.json", "calibration_cost", *arguments)
    seconds = found["figures"]["seconds"]
    assert found["settings"]["frames"] == 3
    assert {"calibrating", "writing"} <= seconds.keys()
    assert min(seconds.values()) >= 0 < found["figures"]["plain_seconds"]
    spent = sum(value for name, value in seconds.items() if name != "writing")
    assert found["figures"]["ratio"] == pytest.approx(spent / found["figures"]["plain_seconds"])


def test_end_to_end_runs_all_sides_and_watches_memory(work: Path, int8: Path) -> None:
    source = "synthetic:street?size=96x160&seed=5"
    found = record(
        work / "end_to_end.json", "end_to_end", int8, "--source", source, "--frames", 4, "--rounds", 1, "--memory", 60,
        "--target", "onnxruntime", "--peer", "benchmark_app",
    )  # fmt: skip
    figures = found["figures"]
    assert set(figures["fps"]) == {"bare engine", "run", "run --out", "run --out --at-once 1", "benchmark_app"}
    assert all(len(of_one) == 1 and of_one[0] > 0 for of_one in figures["fps"].values())
    assert figures["ratio"] == pytest.approx(figures["fps"]["run --out"][0] / figures["fps"]["bare engine"][0])
    assert figures["ratios"]["run"]["run --out"] == pytest.approx(1 / figures["ratios"]["run --out"]["run"])
    assert found["settings"]["source_size_hw"] == [96, 160]
    assert [frame for frame, _ in found["figures"]["memory"]["samples"]] == [25, 50]


def test_preview_cost_has_a_page_that_gets_pictures(work: Path, int8: Path) -> None:
    # Long enough for a page at the lowest priority to get its turn.
    arguments = (int8, "--source", "synthetic:street?size=96x160&seed=5", "--frames", 250, "--rounds", 1)
    found = record(work / "preview_cost.json", "preview_cost", *arguments, "--target", "onnxruntime")
    (only,) = found["figures"]["rounds"]
    assert only["pictures_per_second"] > 0
    assert found["figures"]["watched_ratio"] == pytest.approx(only["watched_fps"] / only["plain_fps"])


def test_labels_head_gives_the_labels_of_onnx_runtime(work: Path) -> None:
    arguments = ("--classes", 11, "--size", 20, 30, "--out-size", 100, 150, "--rounds", 1)
    found = record(work / "labels_head.json", "labels_head", *arguments)
    assert found["figures"]["ratio"] == found["figures"]["real"]["ratio"] > 0
    assert {goal["name"] for goal in found["goals"]} == {"real logits", "random logits"}


def test_fake_quantization_step_times_both_graphs(work: Path, int8: Path) -> None:
    found = record(work / "step.json", "fake_quantization_step", MODEL, int8, "--rounds", 2)
    times = found["figures"]["times_ms"]
    assert {name: len(values) for name, values in times.items()} == {"float": 2, "fake-quantized": 2}
    assert found["figures"]["ratio"] > 0


def test_training_step_times_every_group_of_losses(work: Path) -> None:
    arguments = ("street_small", "--crop", 48, 64, "--batch", 2, "--rounds", 1)
    found = record(work / "training_step.json", "training_step", *arguments)
    assert found["figures"]["ratio"]["one frame: cross-entropy"] == 1.0
    assert all(len(times) == 1 for times in found["figures"]["step_ms"].values())
    assert len(found["goals"]) == 3


def test_authors_way_runs_both_on_the_same_frames(work: Path) -> None:
    weights, bundle = (REPOSITORY / "zoo" / f"pspnet_mobilenetv2-camvid{end}" for end in (".safetensors", "-int8.etc"))
    arguments = (weights, bundle, "--source", "synthetic:street?size=360x480&seed=5", "--target", "onnxruntime")
    found = record(work / "authors_way.json", "authors_way", *arguments, "--frames", 2, "--rounds", 1)
    figures = found["figures"]
    assert figures["ratio"] == pytest.approx(figures["times_ms"]["authors"][0] / figures["times_ms"]["run"][0])
    assert figures["stream_ratio"] > 0
    assert figures["agreement"] > 0.9, "both run the same network"


def test_torch_gpu_says_what_it_leaves_out_without_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run("torch_gpu", REPOSITORY / "zoo" / "pspnet18-camvid.safetensors")
    assert (done.returncode, done.stdout.startswith("left out: torch on a GPU")) == (0, True), done.stderr


def test_simulated_gpu_tells_copies_and_the_rest_apart(work: Path) -> None:
    figures = record(work / "simulated_gpu.json", "simulated_gpu", "--rounds", 3)["figures"]
    assert 0 < figures["outside_ms"] < figures["run_ms"]
    assert figures["copies_ms"] < figures["run_ms"]


def test_the_page_shows_what_there_is_and_says_what_is_missing(work: Path, peers: Any) -> None:
    done = run("run_all", "--page-only", "--docs", work)
    assert done.returncode == 0, done.stderr
    page = (work / "benchmarks.md").read_text(encoding="utf-8")
    assert f"## {peers['title']}" in page
    assert "| etc-edge · onnxruntime |" in page
    assert "- end_to_end-street_small: not measured yet\n" in page
    assert "- torch_gpu-pspnet18: not measured yet: it needs an NVIDIA GPU\n" in page


def test_every_benchmark_has_a_case() -> None:
    done = run("run_all", "--only", "none")
    assert done.returncode == 2
    words = " ".join(done.stderr.replace("│", " ").split())
    # Their trainings take hours: who wants the tables runs them by hand.
    by_hand = {"run_all", "etc_table", "etc_ablation"}
    scripts = {path.stem for path in (REPOSITORY / "benchmarks").glob("*.py")} - by_hand
    assert [name for name in sorted(scripts) if f"{name}-" not in words] == []


def test_a_missing_bundle_is_one_line(work: Path) -> None:
    done = run("calibration_cost", work / "none.etc", "--data", STREET)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: Found no bundle at ")


def test_a_trial_is_not_published(work: Path) -> None:
    done = run("run_all", "--frames", 1)
    assert done.returncode == 2
    assert "--docs" in done.stderr


def write_street(root: Path) -> Path:
    """The street's first validation clip as a labelled folder of files."""
    dataset = open_dataset(STREET)
    (clip,) = dataset.clips("val")
    for kind in ("images", "labels"):
        (root / "val" / kind / "clip").mkdir(parents=True)
    for index in range(len(clip)):
        frame = clip[index]
        cv2.imwrite(str(root / "val" / "images" / "clip" / f"{index}.png"), frame.image_rgb[..., ::-1])
        cv2.imwrite(str(root / "val" / "labels" / "clip" / f"{index}.png"), frame.labels)
    names = ", ".join(dataset.label_set.names)
    (root / "classes.yaml").write_text(f"names: [{names}]\nvoid: {dataset.label_set.void}\n", encoding="utf-8")
    return root


def test_figures_are_those_of_others_tools_on_the_same_labels(work: Path, int8: Path) -> None:
    pytest.importorskip("torchmetrics")
    data = write_street(work / "drive")
    found = record(work / "outside.json", "outside_tools", int8, "--data", data, "--target", "onnxruntime")
    ours, outside = found["figures"]["ours"], found["figures"]["outside"]
    assert outside.keys() == ours.keys() == {"accuracy.miou", "temporal.tc", "temporal.flicker"}
    for path, by_tool in outside.items():
        # Of few pixels, one that lies halfway between two is a larger share than on a real clip.
        assert list(by_tool.values()) == pytest.approx([ours[path]] * len(by_tool), abs=1e-4)
    assert outside["accuracy.miou"]["scikit-learn"] == pytest.approx(ours["accuracy.miou"], abs=1e-12)


def test_our_engine_alone_and_the_vendors_own_tool(work: Path, int8: Path) -> None:
    found = record(work / "engine_alone.json", "engine_alone", int8, "--rounds", 1, "--calls", 5, "--threads", 1)
    times_ms = found["figures"]["ms"]
    assert {name: len(values) for name, values in times_ms.items()} == dict.fromkeys(
        ("benchmark_app", "engine alone", "etc-edge benchmark"), 1
    )
    for name, ratio in found["figures"]["ratios"].items():
        assert ratio == pytest.approx(times_ms[name][0] / times_ms["benchmark_app"][0])
    assert len(found["goals"]) == 4


def test_runs_are_repeated_and_compared(work: Path, int8: Path) -> None:
    arguments = (int8, "--target", "onnxruntime", "--repetitions", 1, "--at-most", 1, "--simulations", 3)
    arguments = (*arguments, "--threads", 1, "--keep", work / "runs")
    found = record(work / "repeated_runs.json", "repeated_runs", *arguments)
    assert set(found["figures"]["measured"]) == {"two runs", "one run"}
    assert len(found["figures"]["runs"]) == 2
    assert all(0 <= rate <= 1 for rates in found["figures"]["simulated"].values() for rate in rates.values())
    assert found["figures"]["runs"][0]["yardstick"]["name"] == "street_small"
    (work / "runs" / "run-001.json").unlink()
    again = record(work / "repeated_runs.json", "repeated_runs", *arguments)["figures"]["runs"]
    assert again[0] == found["figures"]["runs"][0], "what was kept is not measured again"
    assert again[1] != found["figures"]["runs"][1]


def test_several_streams_share_an_engine_alike(work: Path, int8: Path) -> None:
    arguments = (int8, "--source", "synthetic:street?size=96x160&seed=5", "--frames", 3, "--rounds", 1)
    found = record(work / "several_streams.json", "several_streams", *arguments, "--target", "onnxruntime")
    times_ms = found["figures"]["times_ms"]
    assert found["figures"]["ratio"] == pytest.approx(times_ms["one"][0] / times_ms["several"][0])
    assert found["figures"]["labelled"] == [3, 3, 3, 3]


def test_batching_gives_every_frame_its_own_labels(work: Path, int8: Path) -> None:
    figures = record(work / "batching.json", "batching", int8, "--rounds", 1)["figures"]
    assert [one["backend"] for one in figures["networks"]] == ["onnxruntime", "openvino"]
    assert all(one["same_largest_class"] > 0.99 and one["ratio"]["batch of 1"] == 1.0 for one in figures["networks"])


def test_long_run_leaves_no_thread_and_no_file(work: Path, int8: Path) -> None:
    arguments = (int8, "--source", "synthetic:street?size=96x160&seed=5", "--frames", 150)
    figures = record(work / "long_run.json", "long_run", *arguments, "--target", "onnxruntime")["figures"]
    assert figures["left"] == {"threads": 0, "files": 0}
    assert figures["growth_mb"] == (figures["after_bytes"] - figures["before_bytes"]) / 1e6


def test_added_latency_is_what_is_beyond_the_engine(work: Path, int8: Path) -> None:
    # So much faster that an engine which is timed while others have the processor drops frames all the same.
    arguments = (int8, "--source", "synthetic:street?size=96x160&seed=5", "--frames", 10, "--target", "onnxruntime")
    arguments = (*arguments, "--faster", 8)
    figures = record(work / "added_latency.json", "added_latency", *arguments)["figures"]
    assert 0 < figures["p99_ms"] == figures["quantiles_ms"]["added"][1]
    assert figures["dropped"]["decode"] > 0


def test_first_label_is_of_processes_that_start_anew(work: Path, int8: Path) -> None:
    arguments = (int8, "--rounds", 1, "--target", "onnxruntime")
    figures = record(work / "first_label.json", "first_label", *arguments)["figures"]
    assert figures["label_s"] == pytest.approx(figures["load_s"] + figures["first_s"], abs=1e-3)
    assert figures["import_s"] > 0
