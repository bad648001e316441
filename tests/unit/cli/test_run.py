"""`compile`, `run` and `benchmark` as a user calls them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.core.results import Results
from tests.tiny_bundle import write_tiny_bundle

STREET = "synthetic:street?size=60x80&frames=4"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


def test_compile_then_run_the_engine(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine, video = tmp_path / "engine", tmp_path / "out.mp4"
    arguments = ["compile", str(bundle.path), "--target", "onnxruntime", "--threads", "1", "--out", str(engine)]
    assert run(arguments) == 0
    said = capsys.readouterr().out
    assert f"engine     {engine}" in said
    assert "backend    onnxruntime" in said
    assert "self-test  1.0000 of the pixels as the bundle states" in said
    assert run(["run", str(engine), STREET, "--out", str(video)]) == 0
    said = capsys.readouterr()
    assert "colors: 4/4" in said.err
    assert "4 frames in" in said.out
    assert f"wrote {video}" in said.out
    assert video.stat().st_size > 0


def test_several_sources_have_outputs_of_their_own(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(bundle.path), STREET, "synthetic:street?size=60x80&frames=6", "--target", "onnxruntime"]
    assert run([*arguments, "--threads", "1", "--json", str(tmp_path / "out.jsonl")]) == 0
    said = capsys.readouterr().out
    assert "10 frames in" in said
    assert "of the sources: 4, 6" in said
    for number, frames in ((1, 4), (2, 6)):
        path = tmp_path / f"out-{number}.jsonl"
        assert f"wrote {path}" in said
        lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
        assert [line["index"] for line in lines] == list(range(frames))


def test_steadiness_goes_into_the_lines(bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    arguments = ["run", str(bundle.path), STREET, "--target", "onnxruntime", "--threads", "1", "--steadiness"]
    assert run([*arguments, "--json", str(path)]) == 0
    first, *others = (msgspec.json.decode(line) for line in path.read_bytes().splitlines())
    assert "tc" not in first
    for line in others:
        assert 0 <= line["tc"] <= 1
        assert 0 <= line["flicker"] <= 1


def test_benchmark_writes_what_it_prints(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    arguments = ["benchmark", str(bundle.path), STREET, "--target", "onnxruntime", "--target", "openvino"]
    assert run([*arguments, "--frames", "3", "--threads", "1", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert "onnxruntime" in said
    assert "time against the first" in said
    results = msgspec.json.decode(path.read_bytes(), type=list[Results])
    assert [result.bundle.target for result in results] == ["onnxruntime", "openvino"]
    assert run(["--quiet", *arguments[:5], "--frames", "2", "--json", str(path)]) == 0
    assert msgspec.json.decode(path.read_bytes(), type=Results).data.frames == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "BUNDLE", "absent.mp4"], 1, "error: Found no video absent.mp4"),
        (["run", "absent.etc", STREET], 1, "error: Found no bundle at absent.etc"),
        (["run", "BUNDLE", STREET, "--target", "openvimo"], 1, "hint: Did you mean 'openvino'?"),
        (["run", "BUNDLE", STREET, "--frames", "0"], 2, "0 is not in the range"),
        (["run", "BUNDLE", STREET, "--steadiness"], 2, "Found --steadiness without --json"),
        (["run", "BUNDLE"], 2, "Missing argument 'SOURCE...'"),
        (["compile", "BUNDLE", "--out", "/", "--target", "onnxruntime"], 1, "is no compiled engine"),
        (["benchmark", "street.mp4"], 1, "error: Found only street.mp4"),
    ],
)
def test_misuse_is_one_line(
    bundle: Bundle, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert run([str(bundle.path) if word == "BUNDLE" else word for word in arguments]) == code
    said = capsys.readouterr()
    assert says in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
