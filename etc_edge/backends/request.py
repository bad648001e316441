"""What is asked of the child process and what it answers: one line of JSON each way."""

from __future__ import annotations

from typing import Any

import msgspec

from etc_edge.backends.base import EngineOptions


class CompileRequest(msgspec.Struct, frozen=True, tag="compile"):
    """Compile a bundle into a folder and try it there."""

    bundle: str
    backend: str
    options: EngineOptions
    folder: str


class TimeRequest(msgspec.Struct, frozen=True, tag="time"):
    """Time compiled engines against each other on a bundle's frames; answers milliseconds in their order."""

    bundle: str
    folders: list[str]


class Call(msgspec.Struct, frozen=True):
    """A request, the file that the answer goes to, and the descriptor of a pipe for reports of progress."""

    request: CompileRequest | TimeRequest
    answer: str
    reports: int


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of it: a value, or an error's words and, when it is one of ours, its class."""

    value: Any = None
    failed: bool = False
    kind: str | None = None
    message: str = ""
    hint: str | None = None
