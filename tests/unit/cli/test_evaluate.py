"""`etc-edge evaluate` of a checkpoint as released, and of two views of each frame, as a user calls it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from msgspec import UNSET

from etc_edge.cli.main import run
from etc_edge.core.results import load_results
from tests.small_cityscapes import SIZE_HW, official_content, uneven_network, write_cityscapes
from tests.tiny_bundle import write_tiny_bundle


def test_the_authors_pspnet18_with_flip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.indices(SIZE_HW).sum(0) // 16 % 19
    data = write_cityscapes(tmp_path / "cityscapes", labels.astype(np.uint8))
    checkpoint, results = tmp_path / "eval_para_ETC.pth", tmp_path / "results.json"
    torch.save(official_content(uneven_network("pspnet18"), "training"), checkpoint)
    arguments = ["evaluate", "--from-official", str(checkpoint), "--data", str(data), "--target", "onnxruntime"]
    assert run([*arguments, "--flip-probabilities", "--threads", "1", "--json", str(results)]) == 0
    assert "mIoU" in capsys.readouterr().out
    found = load_results(results)
    assert (found.bundle.name, found.data.name) == ("eval_para_ETC-flip", "cityscapes")
    assert not isinstance(found.temporal, type(UNSET))
    assert found.temporal.tc_etc is not UNSET


def test_flip_holds_for_the_reference_too(tmp_path: Path) -> None:
    bundle, results = write_tiny_bundle(tmp_path / "colors.etc"), tmp_path / "results.json"
    (tmp_path / "data" / "val" / "images").mkdir(parents=True)
    (tmp_path / "data" / "val" / "labels").mkdir()
    (tmp_path / "data" / "classes.yaml").write_text("names: [red, green, blue]")
    frame = bundle.selftest().frames[0]
    cv2.imwrite(str(tmp_path / "data" / "val" / "images" / "0.png"), frame[..., ::-1])
    cv2.imwrite(str(tmp_path / "data" / "val" / "labels" / "0.png"), bundle.selftest().labels[0])
    arguments = ["evaluate", str(bundle.path), "--reference", str(bundle.path), "--data", str(tmp_path / "data")]
    assert run([*arguments, "--flip", "--target", "onnxruntime", "--json", str(results)]) == 0
    found = load_results(results)
    assert not isinstance(found.reference, type(UNSET))
    assert found.bundle.name == found.reference.bundle.name == "colors-flip"
    assert not isinstance(found.temporal, type(UNSET))
    assert found.temporal.agreement == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Found no model, expected one: a bundle, an engine, or --from-official FILE"),
        (["b.etc", "--from-official", "w.pth"], "Found a model and --from-official, expected one"),
        (["b.etc", "--size", "64x96"], "Found --network or --size without --from-official"),
        (["b.etc", "--network", "pspnet18"], "Found --network or --size without --from-official"),
        (["--from-official", "w.pth", "--size", "64"], "Found '64', expected height x width"),
    ],
)
def test_wrong_use(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", *arguments, "--data", "synthetic:street"]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
