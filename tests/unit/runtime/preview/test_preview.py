"""A preview as viewers meet it: real HTTP, real WebSockets, real sockets that stop reading."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from threading import enumerate as threads

import aiohttp
import cv2
import numpy as np
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from etc_edge.core.errors import PreviewError
from etc_edge.runtime import Segmenter
from etc_edge.runtime.preview import Preview, server, view, viewers
from tests.shown_run import SIZE_HW, longest_pause_s, result, shown
from tests.tiny_bundle import LABELS, write_tiny_bundle

TOKEN = "correct horse battery"
CLIENTS = 50

Session = aiohttp.ClientSession


def visit(preview: Preview, story: Callable[[Session], Awaitable[None]]) -> None:
    """Run a client's story against the preview."""

    async def go() -> None:
        timeout = aiohttp.ClientTimeout(total=20)
        async with Session(f"http://127.0.0.1:{preview.port}", timeout=timeout) as session:
            await story(session)

    asyncio.run(go())


@pytest.fixture
def preview() -> Iterator[Preview]:
    with Preview(":0") as preview:
        yield preview


@pytest.fixture
def guarded() -> Iterator[Preview]:
    with Preview(":0", TOKEN) as preview:
        yield preview


def test_the_page_is_one_document_that_may_load_nothing(preview: Preview) -> None:
    async def story(session: Session) -> None:
        async with session.get("/") as answer:
            text = await answer.text()
            assert answer.status == 200
            assert answer.headers["Server"] == "etc-edge"
            assert answer.headers["Cache-Control"] == "no-store"
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "/*script*/" not in text
        for outside in ('src="http', 'href="http', "url(http", "@import", '<link rel="stylesheet'):
            assert outside not in text
        for path, status in (("/nothing", 404), ("/streams/1.jpg", 404), ("/streams/0.mjpeg", 404)):
            async with session.get(path) as answer:
                assert answer.status == status

    assert preview.url == f"http://127.0.0.1:{preview.port}/"
    visit(preview, story)


def test_without_the_token_there_is_nothing_to_see(guarded: Preview) -> None:
    async def story(session: Session) -> None:
        for path in ("/live", "/metrics", "/healthz", "/streams/1.mjpeg", "/streams/1.jpg", "/nothing"):
            for query in ("", "?token=wrong", f"?token={TOKEN[:-1]}"):
                async with session.get(path + query) as answer:
                    assert answer.status == 401, path
                    assert "door" not in await answer.text()
        async with session.get("/?token=wrong") as answer:
            assert answer.status == 401
            assert 'name="token"' in await answer.text()

    with shown(guarded):
        visit(guarded, story)


def test_the_token_becomes_a_cookie_and_leaves_the_address(guarded: Preview) -> None:
    async def story(session: Session) -> None:
        async with session.get("/healthz", headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            assert answer.status == 200
        async with session.get("/metrics", params={"token": TOKEN}) as answer:
            assert answer.status == 200
        async with session.get("/", params={"token": TOKEN}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
            assert "HttpOnly" in answer.headers["Set-Cookie"]

    async def with_cookie(session: Session) -> None:
        session = Session(session._base_url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        async with session:
            async with session.get("/", params={"token": TOKEN}) as answer:
                assert answer.status == 200
                assert answer.url.query_string == ""
                assert 'id="legend"' in await answer.text()
            async with session.ws_connect("/live") as page:
                assert (await page.receive_json())["kind"] == "hello"

    visit(guarded, story)
    visit(guarded, with_cookie)


def test_a_page_of_another_site_gets_nothing(preview: Preview) -> None:
    async def story(session: Session) -> None:
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            async with session.get("/live", headers=headers) as answer:
                assert answer.status == 403

    visit(preview, story)


def test_an_address_for_others_asks_for_a_token_that_was_made() -> None:
    with Preview("0.0.0.0:0") as preview:
        token = preview.token
        assert token is not None
        assert preview.url.endswith(f"/?token={token}")

        async def story(session: Session) -> None:
            async with session.get("/healthz") as answer:
                assert answer.status == 401
            async with session.get("/healthz", headers={"Authorization": f"Bearer {token}"}) as answer:
                assert answer.status == 200

        visit(preview, story)
    with pytest.raises(PreviewError, match="preview token"):
        Preview("0.0.0.0:0", "easy")


def test_a_page_gets_pictures_as_fast_as_it_draws_them(preview: Preview) -> None:
    async def story(session: Session) -> None:
        async with session.ws_connect("/live", max_msg_size=0) as page:
            hello = await page.receive_json()
            assert [stream["name"] for stream in hello["streams"]] == ["door"]
            assert [one["name"] for one in hello["streams"][0]["classes"]] == list(LABELS.names)
            await page.send_json({"watch": [0]})
            indices, ticks = [], []
            while len(indices) < 12 or len(ticks) < 2:
                message = await page.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    ticks.append(message.json())
                else:
                    length = int.from_bytes(message.data[:4], "little")
                    indices.append(int(message.data[4 : 4 + length].split(b'"index":')[1].split(b",")[0]))
                    await page.send_json({"drawn": 0})
            assert indices == sorted(set(indices))
            now = ticks[-1]["streams"][0]
            assert (now["state"], now["healthy"], ticks[-1]["clients"]) == ("streaming", True, 1)
            assert sum(now["shares"]) == pytest.approx(1, abs=0.001)
            assert now["point"][1] > 1
            assert 4 <= now["point"][2] <= now["point"][3] <= 6

        async with session.ws_connect("/live", max_msg_size=0) as page:
            await page.send_json({"watch": [0]})
            pictures, end = 0, time.monotonic() + 1.5
            while (left_s := end - time.monotonic()) > 0:
                try:
                    pictures += (await page.receive(left_s)).type is aiohttp.WSMsgType.BINARY
                except asyncio.TimeoutError:
                    break
            assert pictures == viewers.AHEAD

    with shown(preview):
        visit(preview, story)


@pytest.mark.parametrize("nonsense", ["", "{", '{"watch": "all"}', "[]", b"\x00\xff", "x" * 5000])
def test_a_page_that_talks_nonsense_is_let_go(preview: Preview, nonsense: str | bytes) -> None:
    async def story(session: Session) -> None:
        async with session.ws_connect("/live") as page:
            await page.receive_json()
            await (page.send_str(nonsense) if isinstance(nonsense, str) else page.send_bytes(nonsense))
            while (await page.receive()).type not in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED):
                pass
            assert page.close_code in (1003, 1008, 1009)
        async with session.get("/healthz") as answer:
            assert answer.status == 200

    visit(preview, story)


def test_other_viewers_get_overlays(preview: Preview) -> None:
    async def story(session: Session) -> None:
        async with session.get("/streams/1.jpg") as answer:
            assert answer.content_type == "image/jpeg"
            image = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (*SIZE_HW, 3)
        async with session.get("/streams/1.mjpeg") as answer:
            reader = aiohttp.MultipartReader.from_response(answer)
            for _ in range(5):
                part = await reader.next()
                assert isinstance(part, aiohttp.BodyPartReader)
                assert (await part.read())[:3] == b"\xff\xd8\xff"
            answer.close()

    with shown(preview):
        visit(preview, story)


def test_an_application_shows_a_loop_of_its_own(preview: Preview, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "colors.etc").path
    with Segmenter.load(bundle, "onnxruntime", threads=1) as segmenter:
        door = preview.view("door", segmenter.label_set)
        for labelled in segmenter.stream("synthetic:street?size=60x80&frames=3"):
            door.write(labelled)

    async def story(session: Session) -> None:
        async with session.get("/streams/1.jpg") as answer:
            image = cv2.imdecode(np.frombuffer(await answer.read(), np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (60, 80, 3)
        async with session.get("/healthz") as answer:
            assert (await answer.json())["streams"][0]["frames"] == 3

    visit(preview, story)


def test_metrics_are_read_by_prometheus(preview: Preview) -> None:
    preview.view('quoted "name" \\ of\nlines', LABELS)
    with shown(preview) as shown_view:

        async def story(session: Session) -> None:
            await asyncio.sleep(1.2)
            async with session.get("/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                families = {family.name: family for family in text_string_to_metric_families(await answer.text())}
            frames = {sample.labels["source"]: sample.value for sample in families["etc_edge_frames"].samples}
            assert set(frames) == {'quoted "name" \\ of\nlines', "door"}
            assert 0 < frames["door"] <= shown_view.frames
            latency = families["etc_edge_latency_seconds"]
            assert latency.type == "summary"
            median = next(one.value for one in latency.samples if one.labels.get("quantile") == "0.5")
            assert 0.004 <= median <= 0.006
            shares = [one.value for one in families["etc_edge_class_share_ratio"].samples]
            assert sum(shares) == pytest.approx(1, abs=0.001)
            assert all(family.documentation for family in families.values())

        visit(preview, story)


def test_health_says_when_a_stream_freezes_and_when_it_ends(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    with shown(preview) as shown_view:
        pass

    def frozen_after(seconds: float) -> None:
        # Set when it matters: an answer over HTTP may take its time.
        monkeypatch.setattr(view, "FROZEN_S", seconds)

    async def health(session: Session) -> tuple[int, str]:
        async with session.get("/healthz") as answer:
            return answer.status, (await answer.json())["streams"][0]["state"]

    async def story(session: Session) -> None:
        frozen_after(60)
        shown_view.write(result(0))
        assert await health(session) == (200, "streaming")
        frozen_after(0.2)
        await asyncio.sleep(0.3)
        assert await health(session) == (503, "frozen")
        frozen_after(60)
        shown_view.write(result(1))
        assert await health(session) == (200, "streaming")
        shown_view.close()
        assert await health(session) == (200, "ended")

    visit(preview, story)


def test_viewers_that_stop_reading_hold_up_nobody_and_are_let_go(
    preview: Preview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "STUCK_S", 1.0)
    process = psutil.Process()

    async def story(session: Session) -> None:
        with socket.create_connection(("127.0.0.1", preview.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host = f"Host: 127.0.0.1:{preview.port}"
            deaf.sendall(f"GET /streams/1.mjpeg HTTP/1.1\r\n{host}\r\n\r\n".encode())
            before = process.memory_info().rss
            pause_s = await asyncio.to_thread(longest_pause_s, shown_view, 2.5)
            # Waiting for the viewer would take until it is let go.
            assert pause_s < 0.9
            assert process.memory_info().rss - before < 20e6
            async with session.get("/streams/1.jpg") as answer:
                assert answer.status == 200
            end = time.monotonic() + 10
            while "etc_edge_preview_clients 0" not in await (await session.get("/metrics")).text():
                assert time.monotonic() < end
                await asyncio.sleep(0.1)

    with shown(preview, size_hw=(480, 640)) as shown_view:
        visit(preview, story)


def test_fifty_viewers_all_get_pictures(preview: Preview) -> None:
    async def look(session: Session) -> int:
        async with session.ws_connect("/live", max_msg_size=0) as page:
            await page.send_json({"watch": [0]})
            pictures = 0
            while pictures < 5:
                if (await page.receive()).type is aiohttp.WSMsgType.BINARY:
                    pictures += 1
                    await page.send_json({"drawn": 0})
            return pictures

    async def story(session: Session) -> None:
        paused = asyncio.create_task(asyncio.to_thread(longest_pause_s, shown_view, 2.0))
        async with Session(session._base_url, connector=aiohttp.TCPConnector(limit=0)) as many:
            assert await asyncio.gather(*(look(many) for _ in range(CLIENTS))) == [5] * CLIENTS
        assert await paused < 0.5

    with shown(preview) as shown_view:
        visit(preview, story)
        assert shown_view.layer_watchers == 0


def test_there_is_an_end_to_how_many_may_look(preview: Preview, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_VIEWERS", 2)

    async def story(session: Session) -> None:
        async with session.ws_connect("/live") as one, session.ws_connect("/live") as two:
            await one.receive_json()
            await two.receive_json()
            async with session.get("/live") as answer:
                assert answer.status == 503

    visit(preview, story)


def test_closing_tells_viewers_and_leaves_nothing_behind() -> None:
    process = psutil.Process()
    before, files = {thread.name for thread in threads()}, process.num_fds()
    preview = Preview(":0")

    async def story(session: Session) -> None:
        async with session.ws_connect("/live") as page:
            await page.receive_json()
            shown_view.close()
            closing = asyncio.create_task(asyncio.to_thread(preview.close))
            states = []
            async for message in page:
                data = message.json()
                states += [stream["state"] for stream in data["streams"]] if data["kind"] == "tick" else []
            await closing
            assert states[-1] == "ended"

    with shown(preview) as shown_view:
        pass
    visit(preview, story)
    preview.close()
    assert {thread.name for thread in threads()} <= before | {"asyncio_0"}
    assert process.num_fds() <= files
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", preview.port))
