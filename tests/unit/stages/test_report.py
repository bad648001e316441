"""Reports of real results files: whole, self-contained, bounded in size, whatever was not measured."""

from __future__ import annotations

import re
import time
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError, ResultsError
from etc_edge.core.pictures import pictures_folder
from etc_edge.core.results import Results, save_results
from etc_edge.core.sensitivity import GroupCost, MeasuredGroup, Sensitivity, save_sensitivity
from etc_edge.report.subject import load_subjects
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.report import report
from tests.measured_results import fp32, measured
from tests.street_models import float_bundle, int8_bundle
from tests.unit.report.test_markup import Read

LONGER = "synthetic:street?size=64x96&frames=9&train=2&val=2"


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of an INT8 model against its reference, with pictures beside them."""
    folder = tmp_path_factory.mktemp("evaluated")
    floating: Bundle = float_bundle(folder)
    int8, out = int8_bundle(floating), folder / "results.json"
    results = evaluate(int8.path, LONGER, "val", floating.path, "onnxruntime", threads=1, pictures=pictures_folder(out))
    save_results(results, out)
    return out


def saved(results: Results | list[Results], folder: Path, name: str = "r.json") -> Path:
    save_results(results, folder / name)
    return folder / name


def test_everything_is_in_one_file(evaluated: Path, tmp_path: Path) -> None:
    report([evaluated], tmp_path / "report.html", "Is <INT8> & well?")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    read = Read(page)
    names = [name for name, _ in read.tags]
    assert not {"script", "link", "iframe", "object"}.intersection(names)
    sources = [attributes.get("src") or "" for name, attributes in read.tags if name == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"https?://|url\(|@import", page)
    assert "<h1>Is &lt;INT8&gt; &amp; well?</h1>" in page
    (video,) = [attributes for name, attributes in read.tags if name == "video"]
    assert str(video["src"]).startswith("data:video/mp4;base64,")
    assert str(video["poster"]).startswith("data:image/jpeg;base64,")
    assert {"controls", "muted", "playsinline"} <= set(video)
    assert not {"autoplay", "loop"}.intersection(video), "it plays when the reader asks"
    assert "lazy" not in page, "what is not loaded yet is missing on paper"
    assert "calibration (split train, frames 6)" in page, "how the model was made"
    for heading in ("Accuracy by class", "Steadiness over time", "Steadiness by clip", "Latency", "Flicker maps"):
        assert heading in page
    assert page.index("verdict") < page.index("All figures") < page.index("Where the numbers come from")
    assert "SHA-256" in page


def test_pictures_of_another_model_are_not_shown(evaluated: Path) -> None:
    (own,) = load_subjects([evaluated])
    assert own.pictures is not None
    bundle = msgspec.structs.replace(own.results.bundle, sha256="another")
    other = saved(msgspec.structs.replace(own.results, bundle=bundle), evaluated.parent, "other.json")
    pictures_folder(evaluated).rename(pictures_folder(other))
    try:
        (found,) = load_subjects([other])
        assert found.pictures is None
    finally:
        pictures_folder(other).rename(pictures_folder(evaluated))


def test_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    full = measured()
    bare = msgspec.structs.replace(
        full, accuracy=UNSET, temporal=UNSET, stages_ms=UNSET, intervals=UNSET, samples=UNSET, latency_ms=UNSET
    )
    report([saved(bare, tmp_path)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<svg" not in page
    assert "nan" not in Read(page).text


def test_several_models_of_several_files(tmp_path: Path) -> None:
    reference = fp32()
    many = [measured(f"net{number}-int8", wrong=0.2 + number / 50, reference=reference) for number in range(3)]
    files = [saved(many[:2], tmp_path, "two.json"), saved(many[2], tmp_path, "one.json")]
    subjects = report(files, tmp_path / "report.html")
    assert [subject.results.bundle.name for subject in subjects] == ["net0-int8", "net1-int8", "net2-int8"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "IoU by class" in page
    assert "Speed, accuracy and steadiness" in page
    assert page.count("<h3>net") == 3


def test_five_models_of_a_hundred_frames_fit(tmp_path: Path, evaluated: Path) -> None:
    reference = measured("street", "fp32", 0.18, 20.0, seed=0, clips=(101,))
    files = []
    for number in range(5):
        name = f"net{number}-int8"
        files.append(saved(measured(name, clips=(101,), seed=number, reference=reference), tmp_path, f"{number}.json"))
    begun = time.process_time()
    report(files, tmp_path / "report.html")
    # Of the processor, so that a busy machine changes nothing.
    assert time.process_time() - begun < 20
    # The pictures of one model are below 200 kB at the size that they are kept in.
    assert (tmp_path / "report.html").stat().st_size + 5 * 300_000 < 6_000_000


def costs(sha256: str, groups: int = 14) -> Sensitivity:
    """Groups of which the later are the costlier."""
    found = [
        GroupCost(name=f"conv{n}|x", snr_db=60.0 - n, miou=n / 1e4, tc=None, flicker=None, agreement=0.99)
        for n in range(groups)
    ]
    whole = GroupCost(name="all groups", snr_db=40.0, miou=0.01, tc=0.02, flicker=0.001, agreement=0.9)
    return Sensitivity(
        bundle={"name": "street", "sha256": sha256},
        quantize={},
        data={"name": "street", "split": "train", "frames": 4},
        groups=[MeasuredGroup(nodes=(one.name,), macs=1 / groups, saved=0.0, cost=one) for one in found],
        whole=whole,
        seconds=1.0,
        device={},
        versions={},
    )


def test_costs_of_groups_are_found_beside_results_or_given(tmp_path: Path) -> None:
    results = saved(measured(reference=fp32()), tmp_path)
    save_sensitivity(costs("another model"), tmp_path / "other.sensitivity.json")
    report([results], tmp_path / "report.html")
    assert "costs in INT8" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    report([results], tmp_path / "report.md", sensitivities=[tmp_path / "other.sensitivity.json"])
    assert "What each part of street costs" in (tmp_path / "report.md").read_text(encoding="utf-8")
    save_sensitivity(costs("street"), tmp_path / "net.sensitivity.json")
    report([results], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("What each part of street costs") == 1
    assert page.index("conv13|x</td>") < page.index("conv4|x</td>") < page.index("all groups")
    assert page.index("all groups") < page.index("The other 4 groups") < page.index("conv3|x</td>")
    report([results], tmp_path / "report.md")
    lines = [line for line in (tmp_path / "report.md").read_text(encoding="utf-8").splitlines() if "conv" in line]
    assert len(lines) == 10
    assert lines[0].startswith("| conv13\\|x | 7.1% | 47.0 | +0.13 | - | - | 99.00% |")
    (tmp_path / "net.sensitivity.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ResultsError, match="holds no costs of groups"):
        report([results], tmp_path / "report.html")


def test_markdown(tmp_path: Path) -> None:
    report([saved(measured(reference=fp32()), tmp_path)], tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# Accurate and steady?\n\n**street-int8**\n\n- ")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert any(line.startswith("| traffic light |") for line in table)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EtcEdgeError, match="expected one that ends in"):
        report([], tmp_path / "report.pdf")
    with pytest.raises(ResultsError, match="Found no results at"):
        report([tmp_path / "absent.json"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
