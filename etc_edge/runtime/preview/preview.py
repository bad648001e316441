"""A run shown in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Condition
from types import TracebackType

from etc_edge.core.labels import LabelSet
from etc_edge.frames.source import Source
from etc_edge.runtime.preview.access import Access, token_for
from etc_edge.runtime.preview.address import DEFAULT, listen, parse_address, reachable_host
from etc_edge.runtime.preview.board import Board, Facts
from etc_edge.runtime.preview.server import Server
from etc_edge.runtime.preview.shadow import Shadow
from etc_edge.runtime.preview.studio import Studio
from etc_edge.runtime.preview.view import Surroundings, View
from etc_edge.runtime.streams import Streams

# The name that a view's timings get among a stream's sinks.
STAGE = "preview"


class Preview:
    """A web page of a run, with `/metrics` and `/healthz`; it begins to serve at once.

    Every stream has a view, which is a sink: `view = preview.view("door", labels)`, then `view.write(result)`.

    Args:
        address: `HOST:PORT`; see `address.parse_address`.
        token: what others must bring; None makes one where other machines can reach the address.

    Raises:
        PreviewError: the address is none or in use, or the token is easy to guess.
        DependencyError: aiohttp is not installed.
    """

    def __init__(self, address: str = DEFAULT, token: str | None = None) -> None:
        self._address = parse_address(address)
        self.token = token_for(self._address.loopback, token)
        self._arrived = Condition()
        self._views: list[View] = []
        self._board = Board(self._views)
        self._listener = listen(self._address)
        try:
            self._server = Server(self._listener, Access(self.token, self._address.host), self._board)
        except BaseException:
            self._listener.close()
            raise
        self.port = int(self._listener.getsockname()[1])
        self._studio = Studio(self._views, self._arrived, self._server.published, self._server.spent_s)
        self._server.start()
        self._studio.start()

    @property
    def url(self) -> str:
        """What to open in a browser, with the token where one is asked for."""
        query = "" if self.token is None else f"?token={self.token}"
        return f"http://{reachable_host(self._address.host)}:{self.port}/{query}"

    def view(self, name: str, label_set: LabelSet) -> View:
        """The sink of a further stream.

        Args:
            name: of its source, as people read it.
            label_set: classes and their colours.
        """
        view = View(len(self._views), name, label_set, self._arrived)
        self._views.append(view)
        return view

    def compare(self, shadow: Shadow) -> None:
        """Have a shadow model look at frames of all streams; whoever made it closes it."""
        self._board.shadow = shadow
        for view in self._views:
            view.offered = shadow.offer

    def follow(self, streams: Streams, sources: Sequence[Source], facts: Facts) -> None:
        """Show what a run's streams say of themselves; each has a view, made in their order.

        Args:
            streams: about to begin.
            sources: theirs.
            facts: of the model that runs.
        """
        self._board.facts = facts
        for view, source in zip(self._views, sources, strict=True):
            view.begin(_OfRun(streams, source, view.number))

    def close(self) -> None:
        """Tell viewers that the run has ended, and stop serving; closing twice does no harm."""
        self._studio.stop()
        self._server.close()
        self._listener.close()

    def __enter__(self) -> Preview:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _OfRun(Surroundings):
    """What a run says of one of its streams."""

    def __init__(self, streams: Streams, source: Source, number: int) -> None:
        self._streams, self._source, self._number = streams, source, number

    @property
    def waiting(self) -> bool:
        """See Surroundings."""
        # Only sources that are opened again have a state.
        return getattr(self._source, "state", None) == "waiting"

    @property
    def ended(self) -> bool:
        """See Surroundings."""
        return self._streams.ended[self._number]

    @property
    def failed(self) -> bool:
        """See Surroundings."""
        return self._streams.failure is not None

    @property
    def dropped(self) -> int:
        """See Surroundings."""
        # What only the preview passed over is none of the run's.
        dropped = self._streams.dropped_by_source[self._number]
        return sum(count for stage, count in dropped.items() if stage != STAGE)
