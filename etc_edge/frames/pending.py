"""A file that a sink fills over time and that appears only when the sink is closed."""

from __future__ import annotations

import errno
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path

from etc_edge.core.atomic import atomic_file
from etc_edge.core.errors import EtcEdgeError, SinkError


class Pending:
    """A temporary sibling of ``path`` until `keep` or `discard`.

    Args:
        path: the name that it will have.

    Raises:
        SinkError: the folder cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._until = ExitStack()
        self.temporary = self._enter(atomic_file(path))

    def keep(self) -> None:
        """Give the file its name.

        Raises:
            SinkError: it cannot be renamed.
        """
        try:
            self._until.close()
        except (EtcEdgeError, OSError) as error:
            raise failure(self.path, error) from error

    def discard(self) -> None:
        """Remove the file; what stood under the name before stays."""
        with suppress(_Discarded):
            self._until.__exit__(_Discarded, _Discarded(), None)

    def _enter(self, manager: AbstractContextManager[Path]) -> Path:
        try:
            return self._until.enter_context(manager)
        except (EtcEdgeError, OSError) as error:
            raise failure(self.path, error) from error


def failure(path: Path, error: Exception) -> SinkError:
    """What a sink raises for an error of the operating system or of a library below it."""
    if isinstance(error, EtcEdgeError):
        return SinkError(error.message, error.hint)
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SinkError(
            f"The disk that holds {path.parent} is full; nothing was written to {path.name}.",
            "Free some space or choose another place.",
        )
    return SinkError(f"Could not write {path}: {getattr(error, 'strerror', None) or error}.")


class _Discarded(Exception):
    pass
