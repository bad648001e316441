"""Which engines this installation made or was told to trust: some vendors' engines are code that runs when loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from etc_edge.backends.cache_folder import cache_folder
from etc_edge.backends.table import EXECUTABLE
from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import EngineError
from etc_edge.core.hashing import sha256_bytes


def remember(backend: str, files: Mapping[str, str]) -> None:
    """Record an engine as one that may be loaded here.

    Args:
        backend: what made it.
        files: SHA-256 of each of its files, by name.

    Raises:
        EtcEdgeError: the cache cannot be written.
    """
    if backend in EXECUTABLE:
        with atomic_file(_record(backend, files)) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode({"backend": backend, "files": files})))


def expect_remembered(backend: str, files: Mapping[str, str], path: Path) -> None:
    """Refuse an engine that is code and that was not made here.

    Args:
        backend: what made it.
        files: SHA-256 of each of its files, by name.
        path: where it is, for the message.

    Raises:
        EngineError: it is one.
    """
    if backend in EXECUTABLE and not _record(backend, files).is_file():
        raise EngineError(
            f"Found an engine of {backend} in {path} that was not compiled by this installation; loading it runs "
            "code that is in it.",
            "Compile the bundle here, or say once `etc-edge inspect ENGINE --trust-engine` if you know who made it.",
        )


def _record(backend: str, files: Mapping[str, str]) -> Path:
    fingerprint = sha256_bytes(msgspec.json.encode([backend, sorted(files.items())]))
    return cache_folder() / "trusted" / f"{fingerprint}.json"
