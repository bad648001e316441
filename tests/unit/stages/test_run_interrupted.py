"""Ctrl-C and SIGTERM at random moments of a run: the video that there is plays. `tests.interrupted_runs` has more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interrupted_runs import compiled, interrupted


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("seed", range(6))
def test_an_interrupt_at_any_moment_leaves_nothing_half_written(model: Path, tmp_path: Path, seed: int) -> None:
    ended, frames = interrupted(model, tmp_path, seed)
    assert (ended == "video plays") == (frames > 0)
