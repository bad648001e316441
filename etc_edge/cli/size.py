"""A size on the command line: `HxW`, height first."""

from __future__ import annotations

import re

import click


def size_hw(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Read an option's value; a callback of click's."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)[x×](\d+)", value)
    if match is None:
        raise click.BadParameter(f"Found {value!r}, expected height x width such as 360x480.")
    return int(match[1]), int(match[2])


def parse_sizes(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[int, int], ...]:
    """Read an option that may be given several times; a callback of click's."""
    sizes = (size_hw(context, parameter, value) for value in values)
    return tuple(size for size in sizes if size is not None)
