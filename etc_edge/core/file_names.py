"""Free names as parts of paths."""

from __future__ import annotations

from urllib.parse import quote


def as_file_name(name: str) -> str:
    """A name as one part of a path, different names differently: clips may be called by folders, and by `..`."""
    quoted = quote(name, safe=" +,=@()")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted or "%"
