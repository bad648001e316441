"""A digest of the code that makes a compiled form of a bundle, for the cache's keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from pathlib import Path
from sys import modules

from etc_edge.backends.table import load_compiler

_PACKAGE = Path(__file__).parent.parent
_ROOMS = ("graph", "torch_graph")
"""Beside a backend's own folder: where graphs are lowered."""


def code_digest(backend: str) -> str:
    """Hexadecimal SHA-256 of the sources that turn a bundle into this backend's compiled form.

    Those are the rooms that lower graphs, what backends share, and the compiler's own folder if it is one of ours, else
    its file. The package's version alone would keep engines that a change between two versions made obsolete.

    Raises:
        EtcEdgeError: no such backend.
    """
    module = type(load_compiler(backend)).__module__
    return _digest_of(tuple(sorted(_sources(module))))


def _sources(module: str) -> Iterable[Path]:
    for room in _ROOMS:
        yield from (_PACKAGE / room).rglob("*.py")
    yield from (_PACKAGE / "backends").glob("*.py")
    found = _file_of(module)
    if found is not None:
        yield from found.parent.glob("*.py") if _PACKAGE in found.parents else [found]


def _file_of(module: str) -> Path | None:
    file = getattr(modules[module], "__file__", None)
    return Path(file) if file else None


@cache
def _digest_of(files: tuple[Path, ...]) -> str:
    digest = sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
