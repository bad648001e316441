from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from etc_edge.core.dpkg import installed_packages, upstream


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="needs dpkg")
def test_the_list_is_dpkgs_own() -> None:
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${db:Status-Status}\n"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("\t") for line in asked.stdout.splitlines()]
    assert installed_packages() == {name: version for name, version, status in rows if status == "installed"}


def test_a_system_of_another_kind_has_no_list(tmp_path: Path) -> None:
    assert installed_packages(tmp_path) is None


@pytest.mark.parametrize(
    ("version", "makers"),
    [("10.3.0.30-1+cuda12.5", "10.3.0.30"), ("6.2+b77", "6.2"), ("1:0.9.7.6ubuntu3", "0.9.7.6ubuntu3")],
)
def test_upstream(version: str, makers: str) -> None:
    assert upstream(version) == makers
