"""Tables of implementations: a name and where its object lives, loaded when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar, cast

from etc_edge.core.errors import EtcEdgeError

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """A sentence that names the nearest known name, or all of them: the hint of an "unknown …" error."""
    close = get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}."


class Table(Generic[T]):
    """Implementations of one role, found by name and imported on first use.

    Args:
        kind: what a row is, for messages ("backend", "observer").
        entries: name to `"module:attribute"`.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self.entries = dict(entries)

    def names(self) -> list[str]:
        """Every name, in the order of the table."""
        return list(self.entries)

    def load(self, name: str) -> T:
        """The object behind a name.

        Raises:
            EtcEdgeError: no such name; the nearest one is suggested.
        """
        if name not in self.entries:
            raise EtcEdgeError(f"Found no {self.kind} {name!r}.", nearest(name, self.names()))
        module, _, attribute = self.entries[name].partition(":")
        return cast(T, getattr(importlib.import_module(module), attribute))
