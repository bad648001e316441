"""Files that appear when they are done."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from etc_edge.core.errors import EtcEdgeError, SinkError
from etc_edge.frames.pending import Pending, failure


def test_keeping_and_discarding(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    pending = Pending(path)
    pending.temporary.write_text("one")
    assert not path.exists()
    pending.keep()
    assert path.read_text() == "one"
    other = Pending(path)
    other.temporary.write_text("two")
    other.discard()
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_that_is_gone_is_an_error(tmp_path: Path) -> None:
    pending = Pending(tmp_path / "a.txt")
    with pytest.raises(SinkError):
        pending.keep()


def test_errors_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert "is full" in failure(path, OSError(errno.ENOSPC, "No space left")).message
    assert "No such device" in failure(path, OSError(errno.ENODEV, "No such device")).message
    assert failure(path, EtcEdgeError("one", "two")).hint == "two"
