"""The page: one HTML document with its style and script inside, and the headers that allow nothing else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_SCRIPTS = ("page_charts.js", "page_picture.js", "page.js")


@cache
def page() -> tuple[str, str]:
    """The document, and its Content-Security-Policy."""
    return _document("page.html", "".join((_FOLDER / name).read_text(encoding="utf-8") for name in _SCRIPTS))


@cache
def token_page() -> tuple[str, str]:
    """A page that asks for the token, and its Content-Security-Policy."""
    return _document("token.html", "")


def _document(name: str, script: str) -> tuple[str, str]:
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    text = (_FOLDER / name).read_text(encoding="utf-8")
    text = text.replace("/*style*/", style).replace("/*script*/", script)
    policy = [
        "default-src 'none'",
        f"script-src {_hash(script)}" if script else "script-src 'none'",
        # The script sets colours and widths of single elements.
        "style-src 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return text, "; ".join(policy)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
