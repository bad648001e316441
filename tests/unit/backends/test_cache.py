"""Compiled forms are made once, remade when they are damaged, and never half-written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from etc_edge.backends.base import EngineOptions
from etc_edge.backends.cache import cache_folder, cached, copy_out
from etc_edge.backends.compiled import Compiled
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CompileError, EngineError, EtcEdgeError
from etc_edge.core.progress import Silent
from tests.unit.backends import other_backends as other
from tests.unit.backends.conftest import ONE_THREAD
from tests.unit.backends.other_backends import named

RECALLING = named(other.Recalling)


class Heard(Silent):
    """Progress whose words are kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture
def compilations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gains a line at every compilation."""
    counter = tmp_path / "compilations"
    counter.touch()
    monkeypatch.setenv("RECALLING_COMPILES", str(counter))
    return counter


def count(compilations: Path) -> int:
    return len(compilations.read_text().splitlines())


def test_the_second_time_nothing_is_compiled(bundle: Bundle, compilations: Path, cache: Path) -> None:
    first = cached(bundle, RECALLING, ONE_THREAD)
    second = cached(bundle, RECALLING, ONE_THREAD)
    assert first == second
    assert first.path.parent == cache / "engines"
    assert count(compilations) == 1


@pytest.mark.parametrize("change", ["options", "version", "device", "code"])
def test_what_the_form_depends_on_is_in_its_key(
    bundle: Bundle, compilations: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    first = cached(bundle, RECALLING, ONE_THREAD)
    if change == "version":
        monkeypatch.setenv("RECALLING_VERSION", "2")
    if change == "device":
        monkeypatch.setenv("RECALLING_DEVICE", "another processor")
    if change == "code":
        monkeypatch.setattr("etc_edge.backends.cache.code_digest", lambda backend: "0" * 64)
    options = EngineOptions(threads=2) if change == "options" else ONE_THREAD
    second = cached(bundle, RECALLING, options)
    assert first.path != second.path
    assert count(compilations) == 2


def test_an_engine_of_other_code_is_made_again_with_a_line_that_says_why(
    bundle: Bundle, compilations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(bundle, RECALLING, ONE_THREAD)
    monkeypatch.setattr("etc_edge.backends.cache.code_digest", lambda backend: "0" * 64)
    heard = Heard()
    cached(bundle, RECALLING, ONE_THREAD, heard)
    assert count(compilations) == 2
    assert "made again. It was made by other code of etc-edge" in heard.lines[0]


def damage_file(folder: Path) -> None:
    file = folder / "recalled.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def remove_file(folder: Path) -> None:
    (folder / "recalled.npz").unlink()


def cut_manifest(folder: Path) -> None:
    file = folder / "engine.json"
    file.write_bytes(file.read_bytes()[:100])


def remove_manifest(folder: Path) -> None:
    (folder / "engine.json").unlink()


def other_bundle(folder: Path) -> None:
    file = folder / "engine.json"
    manifest = msgspec.json.decode(file.read_bytes())
    file.write_bytes(msgspec.json.encode({**manifest, "bundle_hash": "0" * 64}))


@pytest.mark.parametrize("damage", [damage_file, remove_file, cut_manifest, remove_manifest, other_bundle])
def test_a_damaged_entry_is_made_again_with_a_line_that_says_why(
    bundle: Bundle, compilations: Path, damage: Callable[[Path], None]
) -> None:
    damage(cached(bundle, RECALLING, ONE_THREAD).path)
    heard = Heard()
    again = cached(bundle, RECALLING, ONE_THREAD, heard)
    again.verify()
    assert count(compilations) == 2
    assert heard.lines[0].startswith("The cached engine cannot be used and is made again. Found ")


def test_two_that_want_the_same_entry_make_it_once(bundle: Bundle, compilations: Path) -> None:
    found: list[Compiled] = []
    threads = [threading.Thread(target=lambda: found.append(cached(bundle, RECALLING, ONE_THREAD))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] == found[1] == found[2]
    assert count(compilations) == 1


def test_a_crash_leaves_nothing_behind(bundle: Bundle, cache: Path) -> None:
    with pytest.raises(CompileError, match="SIGSEGV"):
        cached(bundle, named(other.CrashesCompiling), ONE_THREAD)
    assert [path for path in (cache / "engines").iterdir() if path.suffix != ".lock"] == []


def test_the_folder_follows_the_users_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ETC_EDGE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("ETC_EDGE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "etc-edge"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "etc-edge"


def test_a_copy_stands_alone_and_replaces_only_its_like(bundle: Bundle, tmp_path: Path) -> None:
    compiled = cached(bundle, RECALLING, ONE_THREAD)
    out = tmp_path / "engine"
    for _ in range(2):
        copy = copy_out(compiled, out)
        copy.load().close()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(EtcEdgeError, match="no compiled engine and would be overwritten"):
        copy_out(compiled, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_a_form_for_another_device_or_version_is_not_loaded(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_out(cached(bundle, RECALLING, ONE_THREAD), tmp_path / "engine")
    with monkeypatch.context() as patch:
        patch.setenv("RECALLING_DEVICE", "another processor")
        with pytest.raises(EngineError, match=r"made for any processor .* expected another processor"):
            copy.load()
    monkeypatch.setenv("RECALLING_VERSION", "2")
    with pytest.raises(EngineError, match="expected 2"):
        copy.load()


def test_a_cache_that_cannot_be_written_says_how_to_choose_another(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ETC_EDGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(EtcEdgeError, match="cannot be written") as caught:
        cached(bundle, RECALLING, ONE_THREAD)
    assert "ETC_EDGE_CACHE" in str(caught.value.hint)


def test_a_cache_that_cannot_be_written_can_be_read(
    bundle: Bundle, compilations: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cached(bundle, RECALLING, ONE_THREAD)

    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # permissions do not bind root, which may run these tests
    assert cached(bundle, RECALLING, ONE_THREAD) == first
    assert count(compilations) == 1
