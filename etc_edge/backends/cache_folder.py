"""The user's cache: where compiled forms, choices and records of trust are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$ETC_EDGE_CACHE`, or `etc-edge` in the user's cache (`$XDG_CACHE_HOME`)."""
    if own := os.environ.get("ETC_EDGE_CACHE"):
        return Path(own)
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(users) / "etc-edge"
