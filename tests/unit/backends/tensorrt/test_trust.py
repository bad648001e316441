"""The simulated TensorRT's engines through cache and command line: keys, stale ones, trust, and what inspect shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from etc_edge.backends.cache import cached, copy_out
from etc_edge.backends.compiled import Compiled
from etc_edge.cli.main import run
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EngineError
from etc_edge.core.progress import Silent
from tests.simulated_nvidia.site import JETPACK_6_2, simulated
from tests.unit.backends.conftest import ONE_THREAD


class Heard(Silent):
    """Progress whose words are kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(autouse=True)
def _simulated(tmp_path: Path) -> Iterator[None]:
    with simulated(tmp_path / "site", JETPACK_6_2):
        yield


def test_an_engine_for_another_gpu_is_made_again_with_a_line_that_says_why(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached(bundle, "tensorrt", ONE_THREAD)
    assert cached(bundle, "tensorrt", ONE_THREAD) == first
    monkeypatch.setenv("SIMULATED_NVIDIA_GPU", "Another GPU")
    heard = Heard()
    second = cached(bundle, "tensorrt", ONE_THREAD, heard)
    assert second.path != first.path
    why = "It was made for Simulated GPU (compute capability 8.7, CUDA 12.6, "
    assert why in heard.lines[0]
    assert "here is Another GPU (compute capability 8.7" in heard.lines[0]
    with pytest.raises(EngineError, match="Found an engine made for Simulated GPU .*, expected Another GPU"):
        first.load()


def test_an_engine_from_elsewhere_is_refused_until_it_is_trusted(
    bundle: Bundle, tmp_path: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "engine"
    copy_out(cached(bundle, "tensorrt", ONE_THREAD), folder)
    Compiled.open(folder).load().close()
    shutil.rmtree(cache)
    assert run(["inspect", str(folder)]) == 1
    said = capsys.readouterr().err
    assert "was not compiled by this installation; loading it runs code that is in it" in said.replace("\n", " ")
    assert "--trust-engine" in said
    assert run(["inspect", str(folder), "--trust-engine"]) == 0
    said = capsys.readouterr().out
    assert "tensorrt 10.3.0" in said
    assert "fp16" in said
    assert "0.250" in said, "what the simulated profiler says that each layer takes"
    assert run(["inspect", str(folder)]) == 0


def test_a_changed_engine_is_refused_whether_or_not_it_was_trusted(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "engine"
    copy_out(cached(bundle, "tensorrt", ONE_THREAD), folder)
    plan = folder / "engine.plan"
    plan.write_bytes(plan.read_bytes() + b"more")
    compiled = Compiled.open(folder)
    compiled.trust()
    with pytest.raises(EngineError, match="engine.plan in .* changed"):
        compiled.load()
