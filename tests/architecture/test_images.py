"""Dockerfiles copy what there is, say that they were not built, and pass hadolint where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.package_files import REPOSITORY

IMAGES = sorted((REPOSITORY / "docker").glob("*.Dockerfile"))


def copied(image: Path) -> list[str]:
    lines = re.findall(r"^COPY (.+) \S+$", image.read_text(encoding="utf-8"), re.MULTILINE)
    return [name for line in lines for name in line.split()]


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
def test_an_image_copies_what_there_is_and_docker_is_let_see_it(image: Path) -> None:
    let_through = re.findall(r"^!(\S+)$", (REPOSITORY / ".dockerignore").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(copied(image)) >= 7
    assert [name for name in copied(image) if not (REPOSITORY / name).exists()] == []
    assert set(copied(image)) == set(let_through)
    assert "not yet built" in image.read_text(encoding="utf-8")


@pytest.mark.parametrize("image", IMAGES, ids=lambda path: path.stem)
@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint_finds_nothing(image: Path) -> None:
    done = subprocess.run(["hadolint", str(image)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
