"""Every `etc-edge …` that a document shows is run, on small things under the names that the document uses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from etc_edge.core.labels import LabelSet
from etc_edge.data.cityscapes import LABEL_SET
from tests.architecture.fenced_code import fences
from tests.architecture.package_files import REPOSITORY
from tests.end_to_end.test_documentation import exit_code, write_drive
from tests.moving_square import write_video
from tests.street_models import float_bundle, int8_bundle

DOCS = REPOSITORY / "docs"

# Pages that are run from top to bottom: `test_documentation.py` runs the last three.
PAGES = (
    "../README", "budgets", "finetuning", "guides/cityscapes", "measuring", "sensitivity", "steady-calibration",
    "guides/gates-in-ci", "tutorial", "guides/own-network", "guides/own-data",
)  # fmt: skip

# What needs hardware that is not here, and the file of tests that runs the same on a stand-in for it.
ELSEWHERE = {
    "etc-edge run street-int8.etc 0 ": "unit/frames/test_camera_source.py",
    "etc-edge run street.etc 0 ": "unit/cli/test_run_preview.py",
    "etc-edge run engine csi://0": "unit/frames/test_gstreamer_source.py",
    'etc-edge run engine "csi://0': "unit/frames/test_gstreamer_source.py",
    "etc-edge run engine /dev/video0": "unit/frames/test_camera_source.py",
    "etc-edge run engine rtsp://": "unit/frames/test_network_source.py",
    "etc-edge benchmark street-int8.etc csi://0": "unit/frames/test_gstreamer_source.py",
    "etc-edge compile street-int8.etc --target jetson-orin-nano --out": "unit/backends/tensorrt",
    "etc-edge inspect engine": "unit/stages/test_inspect.py",
    "etc-edge verify engine": "unit/stages/test_verify.py",
}

# A measurement that takes a minute, and sizes and networks that take memory: the same command in short.
IN_SHORT = (
    ("etc-edge benchmark ", "etc-edge benchmark --frames 2 "),
    ("360x480", "32x48"),
    ("1024x2048", "64x128"),
)

TRAIN = """
network: street_small
input_size_hw: [32, 48]
data: {holdout: 0}
augmentation: {crop_hw: [32, 48]}
schedule: {epochs: 1, batch_size: 4}
workers: 0
"""

FINETUNE = """
calibration: {split: train, frames: 6}
finetune:
  steps: 2
  batch_size: 2
  warmup_steps: 1
  data: {holdout: 0.3, holdout_blocks: 1}
  pairs: {source: %s}
  losses: [{name: single_frame, direction: teacher_student}, {name: temporal, mask: visible, weight: 0.01}]
  examination: {every_steps: 2, metrics: [agreement]}
  workers: 0
  checkpoint_every_s: 0
"""


def shown(page: str) -> list[str]:
    """Commands of a page, comments cut off."""
    lines = [line for fence in fences(DOCS / f"{page}.md") for line in fence.lines()]
    return [line.split("  #")[0].strip() for line in lines if line.startswith("etc-edge ")]


def elsewhere(line: str) -> bool:
    return any(line.startswith(begin) for begin in ELSEWHERE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small networks, labelled clips and a video under all names that pages use."""
    pytest.importorskip("torch")
    root = tmp_path_factory.mktemp("place")
    floating = float_bundle(root)
    int8 = int8_bundle(floating)
    for name in ("net", "B", "street", "pspnet_mobilenetv2_long-camvid"):
        shutil.copytree(floating.path, root / f"{name}.etc")
        shutil.copytree(int8.path, root / f"{name}-int8.etc")
    shutil.copy(root / "small.onnx", root / "network.onnx")
    for name in ("camvid", "drive"):
        # Enough pairs of frames for an interval.
        write_drive(root / name, 12)
        shutil.copy(root / "classes.yaml", root / name)
    write_video(root / "drive.mp4", 8)
    # What is named like something shipped, and is there, comes before it.
    (root / "camvid-pspnet_mobilenetv2").write_text(TRAIN, encoding="utf-8")
    (root / "quantize").mkdir()
    for name, source in (("camvid-finetune", "dense"), ("label-free", "dense"), ("label-free-stills", "stills")):
        (root / "quantize" / name).write_text(FINETUNE % source, encoding="utf-8")
    (root / "zoo").mkdir()
    shutil.copy(REPOSITORY / "zoo" / "street_small-street.safetensors", root / "zoo" / "pspnet18-camvid.safetensors")
    shutil.copytree(int8.path, root / "zoo" / "pspnet18-camvid-int8.etc")
    write_city(root)
    return root


def write_city(root: Path) -> None:
    import torch

    from tests.small_cityscapes import official_content, uneven_network, write_cityscapes

    labels = np.indices((64, 128)).sum(0) // 16 % 19
    data = write_cityscapes(root / "cityscapes", labels.astype(np.uint8))
    for kind in data.iterdir():
        shutil.copytree(kind / "val", kind / "train")
    torch.save(official_content(uneven_network("pspnet18"), "training"), root / "weights.pth")
    (listed,) = [one.text for one in fences(DOCS / "guides" / "cityscapes.md") if one.language == "yaml"]
    (root / "cityscapes.yaml").write_text(listed, encoding="utf-8")
    assert LabelSet.from_yaml(root / "cityscapes.yaml").names == LABEL_SET.names


def results_of_before(root: Path) -> Iterator[str]:
    """What a page takes for granted, made by the command line."""
    yield (
        "etc-edge evaluate street-int8.etc --reference street.etc --data drive --split val --target onnxruntime "
        f"--json {root / 'released.json'}"
    )


@pytest.mark.parametrize("page", PAGES[:8])
def test_the_commands_of_a_page_run(page: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "place"
    shutil.copytree(place, root)
    monkeypatch.chdir(root)
    if page == "guides/gates-in-ci":
        assert [exit_code(line) for line in results_of_before(root)] == [0]
        shutil.copytree("street.etc", "released.etc")
    for line in [line for line in shown(page) if not elsewhere(line)]:
        for long, short in IN_SHORT:
            line = line.replace(long, short)
        clear_output(line)
        # Whether a gate or a budget holds is the network's affair; that it can be decided is the page's.
        decides = "--fail-if" in line or "--max-" in line
        assert exit_code(line) in ((0, 1) if decides else (0,)), line


def clear_output(line: str) -> None:
    """Pages make what others take for granted, under one name."""
    words = line.split()
    out = Path(words[words.index("--out") + 1]) if "--out" in words else None
    if out is not None and out.is_dir():
        shutil.rmtree(out)


def test_every_shown_command_is_run_by_some_test() -> None:
    pages = sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))
    assert pages
    left = {page: [line for line in shown(page) if not elsewhere(line)] for page in pages if page not in PAGES}
    assert {page: lines for page, lines in left.items() if lines} == {
        # Not in order with others: by themselves below.
        "jetson": ["etc-edge doctor", "etc-edge compile street-int8.etc --target jetson-orin-nano --dry-run"],
    }
    assert [file for file in ELSEWHERE.values() if not (REPOSITORY / "tests" / file).exists()] == []


def test_what_a_board_would_build_is_said_anywhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert [exit_code(line) for line in shown("jetson") if not elsewhere(line)] == [0, 0]
