"""A headless Firefox, driven over WebDriver BiDi through a plain WebSocket."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("firefox", "firefox-esr")
PATIENCE_S = 60.0


def firefox() -> str | None:
    """Where it is installed, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class FirefoxTab:
    """One page of the browser; see `chromium.Tab`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)
        self._context = ""

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and give its result; what the browser tells meanwhile is passed over."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            data = await asyncio.wait_for(self._socket.receive_json(), PATIENCE_S)
            if data.get("id") == number:
                assert data["type"] == "success", data
                return data["result"]

    async def begin(self) -> None:
        """Open a session in its first tab."""
        await self.call("session.new", capabilities={})
        tree = await self.call("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def value(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        # As JSON: the protocol wraps every value in its type.
        expression = f"Promise.resolve({script}).then((value) => JSON.stringify(value ?? null))"
        target = {"context": self._context}
        found = await self.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert found["type"] == "success", found
        return json.loads(found["result"]["value"])

    async def until(self, script: str) -> Any:
        """Wait until an expression holds, and give it."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        while not (found := await self.value(script)):
            assert asyncio.get_running_loop().time() < end, script
            await asyncio.sleep(0.05)
        return found

    async def look(self, width: int, height: int) -> None:
        """Take the size of a screen."""
        size = {"width": width, "height": height}
        await self.call("browsingContext.setViewport", context=self._context, viewport=size)

    async def screenshot(self, path: Path) -> None:
        """Write a PNG of the whole page."""
        found = await self.call("browsingContext.captureScreenshot", context=self._context, origin="document")
        path.write_bytes(base64.b64decode(found["data"]))


@asynccontextmanager
async def firefox_tab(profile: Path) -> AsyncIterator[FirefoxTab]:
    """A new browser with one tab.

    Args:
        profile: an existing folder of its own.
    """
    program = firefox()
    assert program is not None
    # It says on which port it listens once it does.
    process = await asyncio.create_subprocess_exec(
        program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        address = await asyncio.wait_for(_address(process.stderr), PATIENCE_S)
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}/session", max_msg_size=0) as ws:
            tab = FirefoxTab(ws)
            await tab.begin()
            yield tab
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _address(lines: asyncio.StreamReader) -> str:
    async for line in lines:
        found = re.search(rb"WebDriver BiDi listening on (ws://\S+)", line)
        if found:
            return found[1].decode()
    raise AssertionError("Firefox does not start")
