from __future__ import annotations

import sys
from pathlib import Path

import pytest

from etc_edge.core.errors import DependencyError
from etc_edge.core.optional import require


def test_an_installed_module_is_imported() -> None:
    assert require("json", "none", "a test") is sys.modules["json"]


def test_a_missing_package_names_its_extra() -> None:
    with pytest.raises(DependencyError, match="Found no package 'no_such_package', which a test needs") as error:
        require("no_such_package.inner", "train", "a test")
    assert error.value.hint == 'Try: pip install "etc-edge[train]"'


def test_a_package_that_breaks_while_it_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "etc_edge_test_broken.py").write_text("raise ImportError('libcuda.so.1: no such file')")
    (tmp_path / "etc_edge_test_needs.py").write_text("import no_such_package")
    with pytest.raises(DependencyError, match="does not load: libcuda"):
        require("etc_edge_test_broken", "tensorrt", "a test")
    with pytest.raises(DependencyError, match="Found no package 'no_such_package'"):
        require("etc_edge_test_needs", "tensorrt", "a test")
