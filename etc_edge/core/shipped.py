"""Recipes and calibration lists that come with the package, found by name or by path."""

from __future__ import annotations

from pathlib import Path

from etc_edge.core.errors import RecipeError
from etc_edge.core.table import nearest

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(kind: str) -> Path:
    """The folder of shipped `recipes` or `calibration` files: inside the wheel, or at the top of a checkout."""
    inside = _PACKAGE / f"_{kind}"
    return inside if inside.is_dir() else _PACKAGE.parent / kind


def shipped_names(kind: str) -> list[str]:
    """Names by which `find_shipped` knows files of a kind: their paths below the folder, without `.yaml`."""
    folder = shipped_folder(kind)
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted((file.with_suffix("") if file.suffix == ".yaml" else file).as_posix() for file in files)


def find_shipped(kind: str, given: str | Path) -> Path:
    """A file that the user named: a path, or the name of a shipped one.

    Args:
        kind: `recipes`, `recipes/train`, `calibration`, …: where to look for names.
        given: a path, or a name below that folder, with or without `.yaml`.

    Raises:
        RecipeError: neither; the nearest shipped name is suggested.
    """
    path = Path(given)
    if path.is_file():
        return path
    top, _, below = kind.partition("/")
    folder = shipped_folder(top) / below
    for name in (str(given), f"{given}.yaml"):
        candidate = (folder / name).resolve()
        if candidate.is_file() and candidate.is_relative_to(folder.resolve()):
            return candidate
    prefix = f"{below}/" if below else ""
    names = [name.removeprefix(prefix) for name in shipped_names(top) if name.startswith(prefix)]
    raise RecipeError(f"Found no file {given} and nothing shipped of that name.", nearest(str(given), names))
