"""Whole or not at all: after success, failure, Ctrl-C and a full disk, and whatever stood there before."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from etc_edge.core.atomic import atomic_directory, atomic_file
from etc_edge.core.errors import EtcEdgeError

Atomic = Callable[[Path], AbstractContextManager[Path]]


def fill(place: Path, text: str) -> None:
    """Write to what one of the two gave us: a file that is not there yet, or an empty folder."""
    (place / "inside" if place.is_dir() else place).write_text(text)


def read(place: Path) -> str:
    return (place / "inside" if place.is_dir() else place).read_text()


def fail_in(atomic: Atomic, path: Path, error: BaseException) -> None:
    with atomic(path) as temporary:
        fill(temporary, "half")
        raise error


def fill_up_the_disk(atomic: Atomic, path: Path) -> None:
    with atomic(path) as temporary:
        file = temporary / "model" if temporary.is_dir() else temporary
        file.symlink_to("/dev/full")  # every write to it fails as on a full disk
        file.write_text("new")


@pytest.fixture(params=[atomic_file, atomic_directory])
def atomic(request: pytest.FixtureRequest) -> Atomic:
    made: Atomic = request.param
    return made


def test_appears_when_the_block_ends(atomic: Atomic, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "result.etc"
    with atomic(path) as temporary:
        fill(temporary, "new")
        assert not path.exists()
        assert temporary.suffix == ".etc"
    assert read(path) == "new"
    assert list(path.parent.iterdir()) == [path]


def test_takes_the_place_of_what_stood_there(atomic: Atomic, tmp_path: Path) -> None:
    path = tmp_path / "result"
    for text in ("old", "new"):
        with atomic(path) as temporary:
            fill(temporary, text)
        assert read(path) == text
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("bad"), KeyboardInterrupt(), SystemExit(1)])
@pytest.mark.parametrize("existing", [True, False])
def test_any_end_but_a_good_one_changes_nothing(
    atomic: Atomic, error: BaseException, existing: bool, tmp_path: Path
) -> None:
    path = tmp_path / "result"
    if existing:
        with atomic(path) as temporary:
            fill(temporary, "old")
    with pytest.raises(type(error)):
        fail_in(atomic, path, error)
    assert [read(entry) for entry in tmp_path.iterdir()] == ["old"] * existing


@pytest.mark.parametrize("renames_before", [0, 1])
def test_an_interrupt_between_two_renames_keeps_the_old_folder(
    renames_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename, done = tmp_path / "b.etc", os.replace, list[str]()
    with atomic_directory(path) as temporary:
        fill(temporary, "old")

    def interrupted(source: Any, target: Any) -> None:
        if len(done) == renames_before:
            done.append("interrupt")
            raise KeyboardInterrupt
        done.append("rename")
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt), atomic_directory(path) as temporary:
            fill(temporary, "half")
    assert read(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_is_one_clear_line(atomic: Atomic, tmp_path: Path) -> None:
    path = tmp_path / "result"
    with atomic(path) as temporary:
        fill(temporary, "old")
    with pytest.raises(EtcEdgeError, match=r"is full; nothing was written to result\.") as error:
        fill_up_the_disk(atomic, path)
    assert error.value.hint is not None
    assert read(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_the_way_is_one_clear_line(atomic: Atomic, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "result", tmp_path / "file" / "deeper" / "result"):
        with pytest.raises(EtcEdgeError, match="Found a file in the way"), atomic(path) as temporary:
            fill(temporary, "new")


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    with pytest.raises(EtcEdgeError, match="Found a folder at"), atomic_file(tmp_path / "result") as temporary:
        temporary.write_text("new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["result"]


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_directory(tmp_path / "link") as temporary:
        fill(temporary, "new")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "real"]
    assert read(tmp_path / "link") == "new"
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_one_clear_line(atomic: Atomic, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(EtcEdgeError, match="Found no permission"), atomic(tmp_path / "result") as temporary:
            fill(temporary, "new")
    finally:
        tmp_path.chmod(0o700)
