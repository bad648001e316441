"""What a user installs: the wheel, away from this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.package_files import REPOSITORY, tracked_files


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files in a folder of their own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def run(installed: Path, *arguments: str) -> str:
    """Run Python where the wheel's package comes before the one that is being developed."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_file_of_the_package_and_the_recipes(installed: Path) -> None:
    tracked = {file.relative_to(REPOSITORY).as_posix() for file in tracked_files()}
    expected = {name for name in tracked if name.startswith("etc_edge/")}
    for folder in ("recipes", "calibration"):
        expected |= {f"etc_edge/_{name}" for name in tracked if name.startswith(f"{folder}/")}
    held = {file.relative_to(installed).as_posix() for file in installed.rglob("*") if file.is_file()}
    assert expected - held == set()


def test_the_installed_package_finds_its_recipes_and_answers(installed: Path) -> None:
    where = "import etc_edge, etc_edge.runtime; print(etc_edge.__file__)"
    assert Path(run(installed, "-c", where).strip()).is_relative_to(installed)
    assert "Usage: etc-edge" in run(installed, "-m", "etc_edge.cli.main", "--help")
    names = run(installed, "-c", "from etc_edge.core.shipped import *; print(*shipped_names('recipes'))").split()
    assert names
    found = run(installed, "-c", f"from etc_edge.core.shipped import *; print(find_shipped('recipes', {names[0]!r}))")
    assert Path(found.strip()).is_relative_to(installed / "etc_edge" / "_recipes")
