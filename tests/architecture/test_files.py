"""House habits that a file shows by its size and its name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.package_files import PACKAGE, REPOSITORY, source_files, tracked_files

LONGEST = 500
NAMELESS = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}


@pytest.mark.parametrize("folder", ["etc_edge", "tests", "benchmarks"])
def test_no_file_is_too_long(folder: str) -> None:
    lengths = {
        str(file.relative_to(REPOSITORY)): len(file.read_text(encoding="utf-8").splitlines())
        for file in (REPOSITORY / folder).rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_file_is_named_for_its_noun() -> None:
    names = {part for file in source_files() for part in file.relative_to(PACKAGE).with_suffix("").parts}
    assert names.isdisjoint(NAMELESS)
    assert not (PACKAGE / "core" / "core.py").exists()


def test_every_package_folder_has_an_init_file() -> None:
    folders = {file.parent for file in source_files()}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_ignores_no_source_file() -> None:
    files = [str(file.relative_to(REPOSITORY)) for file in source_files()]
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        cwd=REPOSITORY,
        input="\n".join(files),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == 128:
        pytest.skip("no git checkout")
    assert asked.stdout == ""


def is_text(file: Path) -> bool:
    return b"\0" not in file.read_bytes()[:8192]


def test_tracked_files_name_no_machine_and_no_package_host() -> None:
    # Assembled from pieces, so that this file does not hold what it forbids.
    forbidden = ["/" + "work/", "/ro" + "ot/", "pypi." + "org", "pythonhosted." + "org", "download.pytorch." + "org"]
    found = {
        str(file.relative_to(REPOSITORY)): [word for word in forbidden if word in text]
        for file in tracked_files()
        if is_text(file)
        for text in [file.read_text(encoding="utf-8", errors="replace")]
        if any(word in text for word in forbidden)
    }
    assert found == {}


def test_no_unfinished_work_is_left_in_the_source() -> None:
    words = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "raise NotImplemented" + "Error"]
    left = {
        str(file.relative_to(REPOSITORY)): word
        for file in source_files()
        for word in words
        if word in file.read_text(encoding="utf-8")
    }
    assert left == {}
