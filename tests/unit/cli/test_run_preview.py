"""`etc-edge run --preview` as a user calls it, watches it, and ends it."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import av
import pytest

from etc_edge.cli import run as command
from etc_edge.cli.main import run
from etc_edge.runtime.preview import address
from tests.tiny_bundle import write_tiny_bundle

PROGRAM = (sys.executable, "-m", "etc_edge.cli.main")
STREET = "synthetic:street?size=60x80&frames=100000"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_tiny_bundle(tmp_path_factory.mktemp("bundle") / "colors.etc").path
    arguments = ["run", str(path), "synthetic:street?size=60x80&frames=2", "--target", "onnxruntime", "--threads", "1"]
    assert run(arguments) == 0
    return path


def start(bundle: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The process, and the address that it says its page is at."""
    process = subprocess.Popen(
        [
            *PROGRAM,
            "run",
            str(bundle),
            STREET,
            "--target",
            "onnxruntime",
            "--threads",
            "1",
            "--preview",
            ":0",
            *arguments,
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    found = re.search(r"preview at (http://\S+)", process.stderr.readline())
    assert found is not None
    return process, found[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_run_that_is_looked_at(bundle: Path, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out.mp4"
    process, url = start(bundle, "--out", str(out), "--shadow", str(bundle), "--shadow-every", "5")

    async def look() -> list[str]:
        """Watch until there are pictures and comparisons, interrupt, and give the stream's states."""
        states: list[str] = []
        pictures, compared, sent = 0, 0, False
        async with AsyncExitStack() as held:
            session = await held.enter_async_context(aiohttp.ClientSession())
            page = await held.enter_async_context(session.ws_connect(f"{url}live", max_msg_size=0))
            async for message in page:
                if message.type is aiohttp.WSMsgType.BINARY:
                    pictures += 1
                    await page.send_json({"drawn": 0})
                elif (heard := message.json())["kind"] == "hello" and heard["streams"]:
                    # The page is there before the streams are, and is greeted again when there is more to see.
                    await page.send_json({"watch": [0]})
                    deaf = await held.enter_async_context(session.get(f"{url}streams/1.mjpeg"))
                    assert deaf.status == 200
                elif heard["kind"] == "tick" and heard["streams"]:
                    states.append(heard["streams"][0]["state"])
                    compared = heard["streams"][0]["compared"]
                if pictures > 3 and compared and not sent:
                    process.send_signal(number)
                    sent = True
        return states

    try:
        states = asyncio.run(asyncio.wait_for(look(), 60))
        begun = time.monotonic()
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - begun < 10
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
    assert "streaming" in states
    assert states[-1] == "ended"
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3


def test_a_run_that_ends_takes_its_page_along(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quiet", "run", str(bundle), "synthetic:street?size=60x80&frames=6", "--target", "onnxruntime"]
    assert run([*arguments, "--threads", "1", "--preview", "0.0.0.0:0"]) == 0
    said = capsys.readouterr()
    assert "6 frames in" in said.out
    assert re.search(r"preview at http://\S+:\d+/\?token=\S{24,}\n", said.err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preview", "a b"], "as the preview's address, expected HOST:PORT"),
        (["--preview", "192.0.2.1:0"], "no way to listen on 192.0.2.1:0"),
        (["--preview", ":0", "--preview-token", "easy"], "preview token of 4 characters, expected 12 or more"),
        (["--shadow", "fp32.etc"], "--shadow without --preview"),
        (["--preview", ":0", "--shadow", "fp32.etc"], "fp32.etc"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    bundle: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert run(["run", str(bundle), STREET, "--target", "onnxruntime", "--threads", "1", *arguments]) != 0
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said


def test_help_names_the_address_that_is_taken() -> None:
    assert command.PREVIEW == address.DEFAULT
