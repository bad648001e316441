"""What is asked of the child process and what it answers: one line of JSON each way."""

from __future__ import annotations

from typing import Any

import msgspec


class CompileRequest(msgspec.Struct, frozen=True, tag="compile"):
    """Compile a bundle into a folder and try it there."""

    bundle: str
    backend: str
    threads: int
    folder: str


class TimeRequest(msgspec.Struct, frozen=True, tag="time"):
    """Time compiled engines against each other on a bundle's frames; answers milliseconds in their order."""

    bundle: str
    folders: list[str]


class Call(msgspec.Struct, frozen=True):
    """A request and the file that the answer goes to."""

    request: CompileRequest | TimeRequest
    answer: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of it: a value, or an error's words and, when it is one of ours, its class."""

    value: Any = None
    failed: bool = False
    kind: str | None = None
    message: str = ""
    hint: str | None = None
