"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from etc_edge.core.errors import EtcEdgeError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Write a file through a temporary sibling, renamed to `path` when the block ends well.

    On any exception, Ctrl-C included, the sibling is removed and what stood at `path` before stays.

    Raises:
        EtcEdgeError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with _mapped_os_errors(path):
        _make_folder_for(path)
        temporary = _sibling(path)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Fill a folder through a temporary sibling that takes the place of `path` when the block ends well.

    On any exception, Ctrl-C included, the sibling is removed and what stood at `path` before stays.

    Raises:
        EtcEdgeError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with _mapped_os_errors(path):
        _make_folder_for(path)
        temporary, previous = _sibling(path), _sibling(path)
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if os.path.lexists(path):
                os.replace(path, previous)
            os.replace(temporary, path)
        finally:
            # An interrupt can come between the two renames: then what stood here goes back.
            if os.path.lexists(previous) and not os.path.lexists(path):
                os.replace(previous, path)
            _remove(temporary)
            _remove(previous)


def _make_folder_for(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise EtcEdgeError(f"Found a file in the way of {path}, expected a folder {path.parent}.") from error


def _sibling(path: Path) -> Path:
    """A new hidden name beside `path` that keeps its extension, since some writers look at it."""
    return path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    with suppress(FileNotFoundError), path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _mapped_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            why = "takes no larger file" if error.errno == errno.EFBIG else "is full"
            raise EtcEdgeError(
                f"The disk that holds {path.parent} {why}; nothing was written to {path.name}.",
                "Free some space or choose another --out.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise EtcEdgeError(
                f"Found no permission to write {path}.", "Choose another --out or change the permission."
            ) from error
        if error.errno == errno.EISDIR:
            raise EtcEdgeError(f"Found a folder at {path}, expected to write a file there.") from error
        raise
