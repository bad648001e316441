"""`synthetic:street?size=288x512&seed=3&frames=120&fps=15`, as sources and data sets write it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar
from urllib.parse import parse_qsl

from etc_edge.core.errors import SourceError
from etc_edge.core.table import nearest

STREET = "synthetic:street"
Number = TypeVar("Number", int, Fraction)


def read_spec(spec: str, known: Mapping[str, str]) -> dict[str, str]:
    """The settings of a spec over their defaults ``known``.

    Raises:
        SourceError: not a street, or a setting that is not among the known ones.
    """
    name, _, query = spec.partition("?")
    if name != STREET:
        raise SourceError(f"Found {name!r}, expected {STREET!r}.", f"Try {STREET}?seed=3&frames=120.")
    settings = dict(known)
    try:
        pairs = parse_qsl(query, strict_parsing=bool(query))
    except ValueError as error:
        raise SourceError(f"Found {query!r} after {STREET}?, expected KEY=VALUE&KEY=VALUE.") from error
    for key, value in pairs:
        if key not in known:
            raise SourceError(f"Found the setting {key!r} in {spec!r}.", nearest(key, list(known)))
        settings[key] = value
    return settings


def size_of(text: str) -> tuple[int, int]:
    """`HxW` as (height, width), each 32 to 4096.

    Raises:
        SourceError: anything else.
    """
    parts = text.lower().split("x")
    if len(parts) == 2 and all(part.isdigit() and 32 <= int(part) <= 4096 for part in parts):
        return int(parts[0]), int(parts[1])
    raise SourceError(f"Found the size {text!r}, expected HEIGHTxWIDTH with each from 32 to 4096, such as 288x512.")


def number_of(text: str, name: str, kind: type[Number], low: int) -> Number:
    """A whole number or a fraction of at least ``low``.

    Raises:
        SourceError: anything else.
    """
    try:
        value = kind(text)
    except (ValueError, ZeroDivisionError) as error:
        raise SourceError(f"Found {name}={text!r} for the street, expected a number.") from error
    if value < low:
        raise SourceError(f"Found {name}={text} for the street, expected at least {low}.")
    return value
