"""The preview's web server, in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from etc_edge.core.errors import PreviewError
from etc_edge.core.optional import require
from etc_edge.runtime.preview.access import Access
from etc_edge.runtime.preview.board import Board
from etc_edge.runtime.preview.metrics_text import CONTENT_TYPE, metrics_text
from etc_edge.runtime.preview.page import page, token_page
from etc_edge.runtime.preview.view import View
from etc_edge.runtime.preview.viewers import Page, Viewers, next_jpeg, send_mjpeg
from etc_edge.runtime.priority import give_way

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_VIEWERS = 100
TICK_S = 1.0
# How long viewers may take to hear that the run has ended.
FAREWELL_S = 0.3

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "etc-edge",
    "X-Content-Type-Options": "nosniff",
}


class Server:
    """Serves a board on a socket that listens already.

    Args:
        listener: the socket; closed with the server.
        access: who may look.
        board: what there is to see.

    Raises:
        DependencyError: aiohttp is not installed.
    """

    def __init__(self, listener: socket.socket, access: Access, board: Board) -> None:
        self._web = require("aiohttp.web", "preview", "the preview")
        self._listener, self._access, self._board = listener, access, board
        self._cookie = f"etc-edge-{listener.getsockname()[1]}"
        self._viewers = Viewers()
        self._ready = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: Exception | None = None
        self._clock: Any = None
        self._thread = Thread(target=self._run, name="etc-edge preview server", daemon=True)

    def start(self) -> None:
        """Begin to serve.

        Raises:
            PreviewError: it does not work.
        """
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise PreviewError(f"Found the preview's server failing: {self._failure}.") from self._failure
        if hasattr(time, "pthread_getcpuclockid") and self._thread.ident is not None:
            self._clock = time.pthread_getcpuclockid(self._thread.ident)

    def published(self) -> None:
        """There are new pictures; any thread may say so."""
        self._call(self._viewers.wake)

    def spent_s(self) -> float:
        """Processor seconds that serving has taken so far; 0 where that cannot be known."""
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)

    def close(self) -> None:
        """Tell viewers that the run has ended, and stop."""
        self._clock = None
        if self._stop is not None:
            self._call(self._stop.set)
        self._thread.join()

    def _call(self, action: Callable[[], None]) -> None:
        if self._loop is not None:
            # A loop that has closed needs no telling.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _run(self) -> None:
        give_way()
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        web = self._web
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._application(), access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await runner.setup()
        await web.SockSite(runner, self._listener).start()
        self._ready.set()
        ticking = asyncio.ensure_future(self._tick())
        await self._stop.wait()
        ticking.cancel()
        self._tell()
        # Whoever reads hears it; the others are not waited for.
        await asyncio.sleep(FAREWELL_S if len(self._viewers) else 0)
        self._viewers.cut_all()
        await runner.cleanup()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._board.take_points()
            self._tell()
            self._viewers.drop_stuck()

    def _tell(self) -> None:
        self._viewers.message = self._board.tick(len(self._viewers))
        self._viewers.wake()

    def _application(self) -> web.Application:
        serving = self._web

        @serving.middleware  # type: ignore[untyped-decorator]
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        application: web.Application = serving.Application(middlewares=[guard])
        application.on_response_prepare.append(_add_headers)
        application.add_routes(
            [
                serving.get("/", self._page),
                serving.get("/live", self._live),
                serving.get(r"/streams/{number:\d+}.mjpeg", self._mjpeg),
                serving.get(r"/streams/{number:\d+}.jpg", self._jpeg),
                serving.get("/metrics", self._metrics),
                serving.get("/healthz", self._health),
            ]
        )
        return application

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        access = self._access
        if not access.comes_from_here(request.headers):
            return self._text(403, "This host is not this preview's; start it with --preview-token.\n")
        given = request.query.get("token")
        if access.brings_token(given):
            if request.path != "/":
                return await handler(request)
            # The token goes where neither history nor a screenshot shows it.
            response = self._text(303, "", {"Location": "/"})
            response.set_cookie(self._cookie, str(given), httponly=True, samesite="Lax", path="/")
            return response
        if given is None and access.allows(request.headers, request.cookies.get(self._cookie)):
            return await handler(request)
        if access.token is None:
            return await handler(request)
        if request.path == "/":
            return self._html(token_page(), 401)
        return self._text(401, "Found no token or a wrong one.\n", {"WWW-Authenticate": "Bearer"})

    def _text(self, status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
        response: web.Response = self._web.Response(status=status, text=text, headers=headers)
        return response

    def _html(self, document: tuple[str, str], status: int = 200) -> web.Response:
        text, policy = document
        headers = {"Content-Security-Policy": policy}
        response: web.Response = self._web.Response(status=status, text=text, content_type="text/html", headers=headers)
        return response

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._html(page())

    async def _live(self, request: web.Request) -> web.StreamResponse:
        self._refuse_when_full()
        live: web.WebSocketResponse = self._web.WebSocketResponse(heartbeat=15, max_msg_size=4096, compress=False)
        await live.prepare(request)
        await Page(live, self._board, self._viewers).serve(request.transport)
        return live

    async def _mjpeg(self, request: web.Request) -> web.StreamResponse:
        self._refuse_when_full()
        return await send_mjpeg(request, self._view(request), self._viewers)

    async def _jpeg(self, request: web.Request) -> web.StreamResponse:
        self._refuse_when_full()
        body = await next_jpeg(self._view(request), self._viewers, request.transport)
        return self._web.Response(body=body, content_type="image/jpeg")  # type: ignore[no-any-return]

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        text = metrics_text(self._board, len(self._viewers))
        return self._web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})  # type: ignore[no-any-return]

    async def _health(self, request: web.Request) -> web.StreamResponse:
        status = 200 if self._board.healthy else 503
        return self._web.Response(  # type: ignore[no-any-return]
            status=status, body=self._board.health(), content_type="application/json"
        )

    def _view(self, request: web.Request) -> View:
        number = int(request.match_info["number"])
        if not 1 <= number <= len(self._board.views):
            raise self._web.HTTPNotFound(text=f"Found no stream {number}, expected 1 to {len(self._board.views)}.\n")
        return self._board.views[number - 1]

    def _refuse_when_full(self) -> None:
        if len(self._viewers) >= MOST_VIEWERS:
            raise self._web.HTTPServiceUnavailable(text=f"Found {MOST_VIEWERS} viewers already.\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers[name] = value
