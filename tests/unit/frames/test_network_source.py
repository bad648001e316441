"""Streams on loopback that end, freeze, change and come back; servers are real and so is what is killed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from etc_edge.core.errors import SourceError
from etc_edge.frames.frame import Frame
from etc_edge.frames.network_source import NetworkSource, open_network
from tests.live_servers import LiveServer, MjpegServer, RtspServer, noise, transport_stream
from tests.moving_square import SIZE_HW


def opened(server: LiveServer, told: Callable[[str], None] | None = None) -> NetworkSource:
    return NetworkSource(server.address, open_s=5, silence_s=0.5, least_pause_s=0.02, told=told)


def take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(islice(frames, count))


@pytest.mark.parametrize("kind", [LiveServer, MjpegServer, RtspServer])
def test_a_server_that_is_killed_and_comes_back_20_times(kind: type[LiveServer]) -> None:
    times = 20
    said: list[str] = []
    server = kind()
    with opened(server, said.append) as source:
        frames = iter(source)
        seen = take(frames, 5)
        for time_around in range(1, times + 1):
            server.kill()
            server = kind(server.port)
            while source.reopened < time_around:
                seen += take(frames, 1)
        server.kill()
    assert [frame.index for frame in seen] == list(range(len(seen)))
    stamps = [frame.timestamp_s for frame in seen]
    assert stamps == sorted(stamps)
    assert source.state == "closed"
    assert sum("is back" in line for line in said) == times
    assert any("trying again in 0.02 s" in line for line in said)


def test_pauses_grow_while_nobody_answers_and_closing_ends_the_wait() -> None:
    said: list[str] = []
    server = LiveServer()
    source = opened(server, said.append)
    frames = iter(source)
    take(frames, 3)
    server.kill()
    rest: list[Frame] = []
    reader = threading.Thread(target=lambda: rest.extend(frames))
    reader.start()
    end = time.monotonic() + 20
    while len(said) < 5:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert source.state == "waiting"
    source.close()
    reader.join(10)
    assert not reader.is_alive()
    pauses = [line.rpartition("trying again in ")[2] for line in said[:5]]
    assert pauses == ["0.02 s", "0.04 s", "0.08 s", "0.16 s", "0.32 s"]


def test_a_stream_that_freezes_is_opened_again() -> None:
    server = LiveServer()
    with opened(server) as source:
        frames = iter(source)
        take(frames, 3)
        server.silent.set()
        threading.Timer(1.5, server.silent.clear).start()
        while source.reopened == 0:
            take(frames, 1)
    assert server.served >= 2
    server.kill()


def test_a_picture_that_changes_its_size() -> None:
    server = MjpegServer()
    server.sizes_hw = (SIZE_HW, (96, 80))
    with opened(server) as source:
        shapes = {frame.image_rgb.shape for frame in islice(source, 40)}
    server.kill()
    assert shapes == {(*SIZE_HW, 3), (96, 80, 3)}


def test_pictures_without_times_get_those_of_arrival() -> None:
    server = MjpegServer()
    with opened(server) as source:
        begun = time.monotonic()
        last = take(iter(source), 30)[-1]
        assert last.timestamp_s <= time.monotonic() - begun
    server.kill()
    assert source.fps is None


def test_bytes_without_sense_between_do_not_end_it() -> None:
    class Noisy(LiveServer):
        def serve(self, client: socket.socket) -> None:
            for number, (part, other) in enumerate(zip(self._paced(transport_stream()), noise(3), strict=False)):
                client.sendall(part if number % 10 or number < 20 else other + part)

    server = Noisy()
    with opened(server) as source:
        frames = take(iter(source), 80)
    server.kill()
    assert [frame.index for frame in frames] == list(range(80))


def test_what_cannot_be_opened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceError, match=rf"Found tcp://127.0.0.1:{port}, which cannot be opened: .*refused"):
        NetworkSource(f"tcp://127.0.0.1:{port}")
    with pytest.raises(SourceError, match=r"Found the transport 'carrier' in rtsp://camera/1\?transport=carrier, "):
        open_network("rtsp://user:secret@camera/1?transport=carrier")


def test_a_half_open_connection_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        begun = time.monotonic()
        with pytest.raises(SourceError, match="cannot be opened"):
            NetworkSource(f"tcp://127.0.0.1:{listener.getsockname()[1]}", open_s=0.5, silence_s=0.5)
        assert time.monotonic() - begun < 10


def test_passwords_are_not_told() -> None:
    server = MjpegServer()
    address = server.address.replace("//", "//user:secret@")
    with NetworkSource(address) as source:
        assert source.name == server.address
    server.kill()


def test_a_clock_that_jumps_is_set_by_ours() -> None:
    class Jumping(LiveServer):
        def serve(self, client: socket.socket) -> None:
            late = transport_stream(700)[650:]
            for part in self._paced([*transport_stream()[:30], *late]):
                client.sendall(part)

    server = Jumping()
    with opened(server) as source:
        times = [frame.timestamp_s for frame in islice(source, 60)]
    server.kill()
    assert times == sorted(times)
    assert times[-1] < 10, "26 s of its clock were left out of the stream"
