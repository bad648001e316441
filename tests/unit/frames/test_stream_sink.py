"""Results sent to real receivers: MPEG-TS to sockets, RTSP to GStreamer's server; some vanish or stop reading."""

from __future__ import annotations

import io
import socket
import subprocess
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from etc_edge.core.errors import SinkError
from etc_edge.frames.frame import Frame, SegmentedFrame
from etc_edge.frames.stream_sink import StreamSink, is_address
from tests import system_gstreamer
from tests.live_servers import DeafRtspServer
from tests.moving_square import SIZE_HW, picture, result

SERVER = Path(__file__).parents[2] / "rtsp_server.py"


def plain(shown: SegmentedFrame) -> np.ndarray:
    return shown.frame.image_rgb


class Receiver:
    """Keeps what one client after the other sends to a port."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self.received = b""
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        try:
            self._client, _ = self._listener.accept()
            while part := self._client.recv(65536):
                self.received += part
        except OSError:
            return

    def end(self) -> bytes:
        """Stop listening once the client has gone, and give what it sent."""
        self._thread.join(5)
        self.vanish()
        return self.received

    def vanish(self) -> None:
        """Reset the connection."""
        self._listener.close()
        if self._client is not None:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._client.close()


def frames_of(stream: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(stream), format="mpegts") as container:
        return list(container.decode(video=0))


def test_tcp_gets_mpeg_ts_with_the_times_of_the_frames() -> None:
    receiver = Receiver()
    with StreamSink(f"tcp://127.0.0.1:{receiver.port}", Fraction(25), plain) as sink:
        for index in range(30):
            sink.write(result(index))
    frames = frames_of(receiver.end())
    assert len(frames) == sink.frames == 30
    assert sink.lost == 0
    times = [frame.time - frames[0].time for frame in frames]
    assert times == pytest.approx([index / 25 for index in range(30)], abs=1e-4)
    for index, frame in enumerate(frames):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - picture(index)).mean() < 8


def test_udp_gets_whole_packets_of_mpeg_ts() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        with StreamSink(f"udp://127.0.0.1:{receiver.getsockname()[1]}", Fraction(25), plain) as sink:
            for index in range(12):
                sink.write(result(index))
        parts = [receiver.recv(65536)]
        receiver.settimeout(0.3)
        try:
            while True:
                parts.append(receiver.recv(65536))
        except TimeoutError:
            pass
    assert all(len(part) % 188 == 0 and len(part) <= 1316 for part in parts)
    assert len(frames_of(b"".join(parts))) == 12


def test_a_receiver_that_vanishes_and_comes_back_20_times() -> None:
    said: list[str] = []
    receiver = Receiver()
    with StreamSink(
        f"tcp://127.0.0.1:{receiver.port}", Fraction(25), plain, silence_s=1, least_pause_s=0.01, told=said.append
    ) as sink:
        index = 0
        for times in range(20):
            while sink.frames < 5 * (times + 1) or not receiver.received:
                sink.write(result(index))
                index += 1
                time.sleep(0.001)
            receiver.vanish()
            lost, end = sink.lost, time.monotonic() + 10
            while sink.lost == lost:
                assert time.monotonic() < end
                sink.write(result(index))
                index += 1
            receiver = Receiver(receiver.port)
        back, end = 20, time.monotonic() + 10
        while sum("is back" in line for line in said) < back:
            assert time.monotonic() < end
            sink.write(result(index))
            index += 1
            time.sleep(0.001)
    assert frames_of(receiver.end())
    assert sink.frames + sink.lost == index


def test_a_receiver_that_stops_reading_is_given_up() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        sink = StreamSink(address, Fraction(25), plain, crf=1, silence_s=0.3, least_pause_s=0.01, told=said.append)
        random, slowest_s, index = np.random.default_rng(0), 0.0, 0
        while not said:
            noise = random.integers(0, 255, (240, 320, 3)).astype(np.uint8)
            begun = time.monotonic()
            sink.write(SegmentedFrame(Frame(noise, index, index / 25), noise[..., 0], 1.0))
            slowest_s = max(slowest_s, time.monotonic() - begun)
            index += 1
            assert index < 400
        sink.close()
    assert slowest_s < 5
    assert "takes no more" in said[0]


@pytest.mark.parametrize("after", ["RECORD", "OPTIONS"])
def test_a_receiver_of_rtsp_that_keeps_its_connection_is_given_up(after: str) -> None:
    said: list[str] = []
    server = DeafRtspServer(after)
    sink = StreamSink(server.address, Fraction(25), plain, crf=1, silence_s=0.5, least_pause_s=0.01, told=said.append)
    running, slowest_s, beats = threading.Event(), 0.0, [time.monotonic()]

    def beat() -> None:
        while not running.wait(0.02):
            beats.append(time.monotonic())

    other = threading.Thread(target=beat)
    other.start()
    if after == "OPTIONS":
        with pytest.raises(SinkError, match=r"it took nothing for 0\.5 s"):
            sink.write(result(0))
    random = np.random.default_rng(0)
    for index in range(400 if after == "RECORD" else 0):
        noise = random.integers(0, 255, (240, 320, 3)).astype(np.uint8)
        begun = time.monotonic()
        sink.write(SegmentedFrame(Frame(noise, index, index / 25), noise[..., 0], 1.0))
        slowest_s = max(slowest_s, time.monotonic() - begun)
        if said:
            assert "takes no more (it took nothing for 0.5 s)" in said[0]
            break
    begun = time.monotonic()
    sink.close()
    running.set()
    other.join()
    server.kill()
    assert bool(said) == (after == "RECORD")
    assert max(time.monotonic() - begun, slowest_s) < 5
    assert np.diff(beats).max() < 0.4, "the other threads of the process went on"


def test_the_end_does_not_wait_for_a_receiver_that_stopped_reading() -> None:
    server = DeafRtspServer("RECORD")
    sink = StreamSink(server.address, Fraction(25), plain, silence_s=0.5)
    for index in range(5):
        sink.write(result(index))
    begun = time.monotonic()
    sink.close()
    assert time.monotonic() - begun < 5
    assert sink.frames == 5
    server.kill()


def test_nobody_there_is_an_error_the_first_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for scheme in ("tcp", "rtsp"):
        with pytest.raises(SinkError, match=rf"Could not send to {scheme}://127.0.0.1:{port}: .*refused"):
            StreamSink(f"{scheme}://me:secret@127.0.0.1:{port}", Fraction(25), plain).write(result(0))
    with pytest.raises(SinkError, match="expected rtsp or tcp or udp"):
        StreamSink("ftp://a/b", Fraction(25), plain)
    with pytest.raises(SinkError, match="transport 'pigeon'"):
        StreamSink("rtsp://a/b?transport=pigeon", Fraction(25), plain)
    assert is_address("RTSP://a/b")
    assert not is_address("out.mp4")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp_is_published_to_a_server(transport: str) -> None:
    python = system_gstreamer.SYSTEM_PYTHON
    script = "import gi; gi.require_version('GstRtspServer', '1.0')"
    if subprocess.run([python, "-c", script], capture_output=True, check=False).returncode:
        pytest.skip("no RTSP server of GStreamer's: apt install gir1.2-gst-rtsp-server-1.0")
    command = [python, SERVER, "0", "20"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    port = int(server.stdout.readline().split()[1])
    with StreamSink(f"rtsp://127.0.0.1:{port}/street?transport={transport}", Fraction(25), plain) as sink:
        for index in range(40):
            # At their own pace: the server's jitter buffer bends times that come too fast.
            sink.write(result(index))
            time.sleep(0.04)
    said, _ = server.communicate(timeout=20)
    sizes, times = zip(*(line.split() for line in said.splitlines()), strict=True)
    assert set(sizes) == {f"{SIZE_HW[0]}x{SIZE_HW[1]}"}
    steps = np.diff([float(time_s) for time_s in times])
    assert steps.mean() == pytest.approx(0.04, abs=0.01)
