"""Where heavy packages may be imported at the top of a file; import-linter guards the layers themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.package_files import (
    GRAPH_PACKAGES,
    TORCH_PACKAGES,
    TORCH_ROOMS,
    VENDOR_PACKAGES,
    in_rooms,
    is_engine,
    module_name,
    source_files,
    top_level_imports,
)

LIGHT_ROOMS = ("etc_edge.cli", "etc_edge.core", "etc_edge.runtime", "etc_edge.frames", "etc_edge.report")
# Painting is about pictures from its first line to its last; it is loaded when a street is asked for.
PAINTING = ("etc_edge.frames.street",)
# These load what the user names, and report what it lacks themselves.
LOADERS = ("etc_edge.core.optional", "etc_edge.backends.table")


def ids(file: Path) -> str:
    return module_name(file)


@pytest.mark.parametrize("file", source_files(), ids=ids)
def test_heavy_packages_are_imported_only_in_their_rooms(file: Path) -> None:
    module = module_name(file)
    imported = top_level_imports(file)
    if not in_rooms(module, TORCH_ROOMS):
        assert imported.isdisjoint(TORCH_PACKAGES), "torch belongs to its rooms; elsewhere import it in a function"
    if not is_engine(module):
        assert imported.isdisjoint(VENDOR_PACKAGES), "engines are optional: use core.optional.require in a function"
    if in_rooms(module, LIGHT_ROOMS) and not in_rooms(module, PAINTING):
        assert imported.isdisjoint({"cv2", "av", *GRAPH_PACKAGES}), "import it in a function: this room starts fast"


@pytest.mark.parametrize("file", source_files(), ids=ids)
def test_no_file_catches_import_errors_by_itself(file: Path) -> None:
    if module_name(file) in LOADERS:
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    caught = {
        name.id
        for handler in ast.walk(tree)
        if isinstance(handler, ast.ExceptHandler) and handler.type is not None
        for name in ast.walk(handler.type)
        if isinstance(name, ast.Name)
    }
    assert caught.isdisjoint({"ImportError", "ModuleNotFoundError"}), "core.optional.require names the extra"
