"""Settings behind a source's name: `camera:0?size=720x1280&fps=30`."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from urllib.parse import parse_qsl

from etc_edge.core.errors import SourceError
from etc_edge.core.table import nearest


def split_settings(spec: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """What stands before the question mark, and the settings behind it.

    Raises:
        SourceError: a setting that is not among the known ones, or no `KEY=VALUE`.
    """
    name, _, query = spec.partition("?")
    try:
        settings = dict(parse_qsl(query, strict_parsing=bool(query)))
    except ValueError as error:
        raise SourceError(f"Found {query!r} after {name}?, expected KEY=VALUE&KEY=VALUE.") from error
    for key in settings:
        if key not in known:
            raise SourceError(f"Found the setting {key!r} in {spec!r}.", nearest(key, list(known)))
    return name, settings


def size_setting(settings: dict[str, str]) -> tuple[int, int] | None:
    """`size=HxW` as (height, width), None where it is not set.

    Raises:
        SourceError: anything else.
    """
    if "size" not in settings:
        return None
    parts = settings["size"].lower().split("x")
    if len(parts) == 2 and all(part.isdigit() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[1])
    raise SourceError(f"Found the size {settings['size']!r}, expected HEIGHTxWIDTH such as 720x1280.")


def rate_setting(settings: dict[str, str]) -> Fraction | None:
    """`fps=N` as a fraction, None where it is not set.

    Raises:
        SourceError: no number above 0.
    """
    if "fps" not in settings:
        return None
    try:
        rate = Fraction(settings["fps"])
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise SourceError(f"Found fps={settings['fps']!r}, expected a number such as 30 or 30000/1001.")
    return rate
