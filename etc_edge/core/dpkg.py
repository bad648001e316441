"""Which Debian packages a system has, by dpkg's own list."""

from __future__ import annotations

import re
from pathlib import Path

STATUS = "var/lib/dpkg/status"


def installed_packages(root: Path = Path("/")) -> dict[str, str] | None:
    """Versions of the installed packages by name; None where the system is not one of dpkg's.

    Args:
        root: where `var` lies.
    """
    try:
        text = (root / STATUS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = {}
    for paragraph in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        # What was removed stays in the list as "deinstall ok config-files".
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return found


def upstream(version: str) -> str:
    """A package's version as its makers count: `10.3.0.30` of `10.3.0.30-1+cuda12.5`, `6.2` of `6.2+b77`."""
    return re.split(r"[-+]", re.sub(r"^\d+:", "", version))[0]
