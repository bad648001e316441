"""What the torch engine says of itself, and its threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.compiled import Compiled, compile_here
from etc_edge.backends.torch.compiler import SIMULATED, half_note
from etc_edge.core.bundle import Bundle
from tests.street_models import float_bundle, int8_bundle
from tests.unit.backends.conftest import ONE_THREAD

torch = pytest.importorskip("torch")


def compiled(bundle: Bundle, folder: Path, options: EngineOptions = ONE_THREAD) -> Compiled:
    folder.mkdir()
    compile_here(bundle, "torch", options, folder)
    return Compiled.open(folder)


def test_an_int8_bundle_is_simulated_and_says_so(tmp_path: Path) -> None:
    bundle = int8_bundle(float_bundle(tmp_path))
    found = compiled(bundle, tmp_path / "out")
    assert found.manifest.note == SIMULATED
    engine, selftest = found.load(), bundle.selftest()
    same = [
        np.mean(engine.run(frame) == labels) for frame, labels in zip(selftest.frames, selftest.labels, strict=True)
    ]
    engine.close()
    assert min(same) > 0.99


def test_threads_are_those_of_the_engine_that_runs(bundle: Bundle, tmp_path: Path) -> None:
    form = compiled(bundle, tmp_path / "out")
    one, two = form.load(1), form.load(2)
    frame = bundle.selftest().frames[0]
    before = torch.get_num_threads()
    try:
        for engine in (one, two, one):
            engine.run(frame)
            assert torch.get_num_threads() == engine.threads
    finally:
        torch.set_num_threads(before)


def test_the_note_counts_what_is_kept_wide() -> None:
    assert half_note(0) == "16-bit floats"
    assert half_note(2) == "16-bit floats, 2 steps that would overflow in 32 bits"
