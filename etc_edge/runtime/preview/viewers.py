"""Who looks at a preview: pages over a WebSocket, and other viewers over MJPEG. Whoever is slow gets fewer pictures."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from etc_edge.core.optional import require
from etc_edge.runtime.preview.board import Board
from etc_edge.runtime.preview.picture import Picture
from etc_edge.runtime.preview.view import View

if TYPE_CHECKING:
    from aiohttp import web

# Pictures that a page may have before it says that it has drawn the first of them.
AHEAD = 2
# A viewer that takes nothing for so long is let go.
STUCK_S = 20.0
# What the kernel may hold for a viewer that is slow; more would only be shown late. Linux' TCP_NOTSENT_LOWAT.
UNSENT_BYTES, _NOTSENT_LOWAT = 32768, 25
BOUNDARY = "frame"


class FromPage(msgspec.Struct, frozen=True):
    """A message of a page: streams that it looks at, or one whose picture it has drawn."""

    watch: tuple[int, ...] | None = None
    drawn: int | None = None


class Viewers:
    """Everybody who looks, and what wakes them; lives in the server's event loop.

    Attributes:
        message: the newest message for pages that is no picture.
    """

    def __init__(self) -> None:
        self.message = b""
        self._wakes: dict[asyncio.Event, _Line] = {}

    def __len__(self) -> int:
        return len(self._wakes)

    def wake(self) -> None:
        """There is something new."""
        for event in self._wakes:
            event.set()

    def drop_stuck(self) -> None:
        """Let those go that have taken nothing for long."""
        for line in self._wakes.values():
            if line.stuck_s > STUCK_S:
                line.cut()

    def cut_all(self) -> None:
        """Let everybody go."""
        for line in list(self._wakes.values()):
            line.cut()

    @contextmanager
    def joined(self, line: _Line) -> Iterator[asyncio.Event]:
        """Belong to them; the event is set whenever there is something new."""
        wake = asyncio.Event()
        wake.set()
        self._wakes[wake] = line
        try:
            yield wake
        finally:
            del self._wakes[wake]


class _Line:
    """A connection that is written to, and since when it has not taken what is written."""

    def __init__(self, transport: Any) -> None:
        self._transport, self._since_s = transport, 0.0
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        found = transport.get_extra_info("socket")
        if found is not None and found.family != socket.AF_UNIX:
            with suppress(OSError):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_NOTSENT_LOWAT", _NOTSENT_LOWAT), UNSENT_BYTES)

    @contextmanager
    def sending(self) -> Iterator[None]:
        self._since_s = time.monotonic()
        yield
        self._since_s = 0.0

    @property
    def stuck_s(self) -> float:
        return time.monotonic() - self._since_s if self._since_s else 0.0

    def cut(self) -> None:
        self._transport.abort()


class Page:
    """One page: it says which streams it looks at and when it has drawn, and gets pictures and figures.

    Args:
        socket: its WebSocket.
        board: what there is to see.
        viewers: all who look.
    """

    def __init__(self, socket: web.WebSocketResponse, board: Board, viewers: Viewers) -> None:
        self._socket, self._board, self._views, self._viewers = socket, board, board.views, viewers
        self._watched: tuple[View, ...] = ()
        self._under_way: dict[View, int] = {}
        self._sent: dict[View, Picture] = {}

    async def serve(self, transport: Any) -> None:
        """Serve it until it goes."""
        line = _Line(transport)
        with self._viewers.joined(line) as wake:
            writing = asyncio.ensure_future(self._write(line, wake))
            try:
                async for message in self._socket:
                    if not isinstance(message.data, str) or not self._take(message.data):
                        await self._socket.close(code=1008, message=b"not understood")
                        return
                    wake.set()
            finally:
                self._look_at(())
                writing.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await writing

    def _take(self, text: str) -> bool:
        try:
            message = msgspec.json.decode(text, type=FromPage)
        except msgspec.DecodeError:
            return False
        if message.watch is not None:
            self._look_at(message.watch)
        if message.drawn is not None and 0 <= message.drawn < len(self._views):
            view = self._views[message.drawn]
            self._under_way[view] = max(0, self._under_way.get(view, 0) - 1)
        return True

    def _look_at(self, numbers: tuple[int, ...]) -> None:
        for view in self._watched:
            view.layer_watchers -= 1
        self._watched = tuple(view for view in self._views if view.number in numbers)
        for view in self._watched:
            view.layer_watchers += 1

    async def _write(self, line: _Line, wake: asyncio.Event) -> None:
        told, run = b"", None
        while True:
            await wake.wait()
            wake.clear()
            if self._board.run != run:
                run = self._board.run
                self._sent.clear()
                self._under_way.clear()
                with line.sending():
                    await self._socket.send_str(self._board.hello().decode())
            if self._viewers.message is not told:
                told = self._viewers.message
                with line.sending():
                    await self._socket.send_str(told.decode())
            for view in self._watched:
                picture = view.layers
                if picture is None or picture is self._sent.get(view) or self._under_way.get(view, 0) >= AHEAD:
                    continue
                self._sent[view] = picture
                self._under_way[view] = self._under_way.get(view, 0) + 1
                with line.sending():
                    await self._socket.send_bytes(picture.data)


async def send_mjpeg(request: web.Request, view: View, viewers: Viewers) -> web.StreamResponse:
    """Send overlays of a stream one after another until the viewer goes."""
    serving = require("aiohttp.web", "preview", "the preview")
    response: web.StreamResponse = serving.StreamResponse(
        headers={"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"}
    )
    await response.prepare(request)
    line = _Line(request.transport)
    with viewers.joined(line) as wake, looking(view):
        # Viewers show a picture when the boundary behind it has come.
        await response.write(f"--{BOUNDARY}\r\n".encode())
        sent: Picture | None = None
        while True:
            await wake.wait()
            wake.clear()
            picture = view.overlay
            if picture is None or picture is sent:
                continue
            sent = picture
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.data)}\r\n\r\n".encode()
            with line.sending():
                await response.write(head + picture.data + f"\r\n--{BOUNDARY}\r\n".encode())


async def next_jpeg(view: View, viewers: Viewers, transport: Any) -> bytes:
    """One overlay of a stream, made after this was called, or of its newest frame."""
    newest = view.newest
    with viewers.joined(_Line(transport)) as wake, looking(view):
        while True:
            picture = view.overlay
            if picture is not None and newest is not None and picture.index >= newest.index:
                return picture.data
            await wake.wait()
            wake.clear()
            newest = newest or view.newest


@contextmanager
def looking(view: View) -> Iterator[None]:
    """Look at a stream's overlay."""
    view.overlay_watchers += 1
    try:
        yield
    finally:
        view.overlay_watchers -= 1
