"""Figures of results by their paths, such as `drop.tc`, `latency_ms.p99` and `reference.accuracy.miou`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from etc_edge.core.results import Results

Path = tuple[str, ...]

# Not figures, though there are numbers in them.
_LEFT_OUT = {"schema_version", "intervals", "samples", "device", "versions", "protocol"}
_RECIPE = ("bundle", "recipe")
# Stands in a known path where any name may: the class of an IoU, the stage of a latency.
ANY = "*"


def path_text(path: Path) -> str:
    """A path as it is written: names with dots between them, others in brackets and quotes."""
    first, *rest = path
    return first + "".join(f".{name}" if name.isidentifier() else f"[{name!r}]" for name in rest)


def measured_figures(results: Results) -> dict[Path, float]:
    """Every number that the results hold, by its path."""
    return dict(_numbers(msgspec.to_builtins(results), ()))


@lru_cache(maxsize=1)
def known_paths() -> frozenset[Path]:
    """Every path that results can hold, with `*` for names that the data bring along."""
    paths = frozenset(_paths(msgspec.inspect.type_info(Results), ()))
    return paths | {("reference", *path) for path in paths if path[0] != "drop"}


def is_known(path: Path) -> bool:
    """Whether results can hold a figure of this path."""
    return any(
        len(path) == len(known) and all(theirs in (ours, ANY) for ours, theirs in zip(path, known, strict=True))
        for known in known_paths()
    )


def _numbers(found: Mapping[str, Any], before: Path) -> Iterator[tuple[Path, float]]:
    for name, value in found.items():
        if (not before and name in _LEFT_OUT) or (*before, name) == _RECIPE:
            continue
        if name == "reference" and isinstance(value, dict):
            yield from (((name, *path), number) for path, number in _numbers(value, ()))
        elif isinstance(value, dict):
            yield from _numbers(value, (*before, name))
        elif isinstance(value, (int, float)):
            yield (*before, name), float(value)


def _paths(kind: msgspec.inspect.Type, before: Path) -> Iterator[Path]:
    if isinstance(kind, msgspec.inspect.UnionType):
        for one in kind.types:
            yield from _paths(one, before)
    elif isinstance(kind, msgspec.inspect.DictType):
        yield from _paths(kind.value_type, (*before, ANY))
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            if field.name != "reference" and (before or field.name not in _LEFT_OUT):
                yield from _paths(field.type, (*before, field.name))
    elif isinstance(kind, (msgspec.inspect.FloatType, msgspec.inspect.IntType)):
        yield before
