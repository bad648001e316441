"""A tiny bundle and a cache of its own for every test of the backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.core.bundle import Bundle
from tests.tiny_bundle import write_tiny_bundle

ONE_THREAD = EngineOptions(threads=1)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The colour network; tests leave it as it is."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ETC_EDGE_CACHE", str(folder))
    return folder
