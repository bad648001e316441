"""A headless Chromium, driven over its DevTools protocol through a plain WebSocket."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0", "--hide-scrollbars",
)  # fmt: skip
PATIENCE_S = 40.0


def chromium() -> str | None:
    """Where it is installed, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Tab:
    """One page of the browser.

    Attributes:
        problems: errors and refusals that its console showed.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.problems: list[str] = []
        self._reading = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            data = message.json()
            if data.get("id") in self._answers:
                self._answers.pop(data["id"]).set_result(data)
            elif data.get("method") == "Runtime.exceptionThrown":
                self.problems.append(str(data["params"]["exceptionDetails"]))
            elif data.get("method") == "Log.entryAdded" and data["params"]["entry"]["level"] == "error":
                self.problems.append(data["params"]["entry"]["text"])

    async def call(self, method: str, **params: Any) -> Any:
        """Call a method of the protocol and give its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        data = await asyncio.wait_for(answer, PATIENCE_S)
        assert "error" not in data, data
        return data["result"]

    async def open(self, url: str) -> None:
        """Go to an address."""
        for domain in ("Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str) -> Any:
        """Wait until an expression holds, and give it."""
        end = asyncio.get_running_loop().time() + PATIENCE_S
        while not (found := await self.value(script)):
            assert asyncio.get_running_loop().time() < end, f"{script}; {self.problems}"
            await asyncio.sleep(0.05)
        return found

    async def look(self, width: int, height: int, dark: bool = False, scale: float = 1) -> None:
        """Take the size of a screen, and its colours."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the page."""
        result = await self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(result["data"]))


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Tab]:
    """A new browser with one tab.

    Args:
        profile: an existing folder of its own.
    """
    program = chromium()
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                tab = Tab(socket)
                yield tab
                tab._reading.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _port(file: Path) -> int:
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while not (file.exists() and "\n" in file.read_text()):
        assert asyncio.get_running_loop().time() < end, "Chromium does not start"
        await asyncio.sleep(0.05)
    return int(file.read_text().splitlines()[0])
