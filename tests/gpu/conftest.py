"""A cache of its own for the tests of a GPU: engines that were made here are known by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETC_EDGE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
