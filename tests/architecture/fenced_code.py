"""What stands in the fences of a document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fence:
    """A block: its language, empty where none is written, and its text."""

    language: str
    text: str

    def lines(self) -> list[str]:
        """Its lines, continued ones joined, blank ones left out."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def fences(document: Path) -> list[Fence]:
    """All blocks in order."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [Fence(language.strip(), text) for language, text in found]
