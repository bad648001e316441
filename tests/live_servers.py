"""Servers of live video on loopback, in threads: they can be killed, started again, and made to fall silent."""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import count

import av
import cv2
import numpy as np

from tests.moving_square import SIZE_HW, picture

RATE = 25
FRAMES = 250
# Faster than its rate, so that a test does not have to wait; timestamps are still those of the rate.
PACE_S = 0.01


@cache
def transport_stream(frames: int = FRAMES) -> list[bytes]:
    """MPEG-TS of H.264, a key frame every five, cut where a frame ends."""
    file, parts, done = io.BytesIO(), [], 0
    with av.open(file, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"tune": "zerolatency", "preset": "ultrafast"})
        stream.height, stream.width = SIZE_HW
        stream.pix_fmt = "yuv420p"
        stream.codec_context.gop_size = 5
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
            parts.append(file.getvalue()[done:])
            done += len(parts[-1])
    return [part for part in parts if part]


class LiveServer:
    """Accepts clients on a port and serves each in a thread.

    Attributes:
        address: for `open_source`.
        served: how many clients there were.
        silent: while set, connections stay open and nothing is sent.
    """

    scheme = "tcp"

    def __init__(self, port: int = 0) -> None:
        self.silent = threading.Event()
        self._dead = threading.Event()
        self._clients: list[socket.socket] = []
        self.served = 0
        self._listen(port)
        self.address = f"{self.scheme}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])

    def kill(self) -> None:
        """End all connections; the port is free afterwards."""
        self._dead.set()
        for one in (self._listener, *self._clients):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while not self._dead.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.served += 1
            self._clients.append(client)
            threading.Thread(target=self._guarded, args=(client,), daemon=True).start()

    def _guarded(self, client: socket.socket) -> None:
        with suppress(OSError):
            self.serve(client)
        client.close()

    def _paced(self, parts: list[bytes]) -> Iterator[bytes]:
        for part in parts:
            while self.silent.is_set() and not self._dead.is_set():
                time.sleep(PACE_S)
            if self._dead.is_set():
                return
            yield part
            time.sleep(PACE_S)

    def serve(self, client: socket.socket) -> None:
        """Send what there is to one client."""
        for part in self._paced(transport_stream()):
            client.sendall(part)


class MjpegServer(LiveServer):
    """HTTP with `multipart/x-mixed-replace`, as cameras with a web page have it; the picture may change its size."""

    scheme = "http"
    sizes_hw: tuple[tuple[int, int], ...] = (SIZE_HW,)

    def serve(self, client: socket.socket) -> None:
        """Answer one request with pictures."""
        client.recv(4096)
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        pictures = (picture(index, self.sizes_hw[index // 10 % len(self.sizes_hw)]) for index in range(FRAMES))
        for part in self._paced([cv2.imencode(".jpg", image[..., ::-1])[1].tobytes() for image in pictures]):
            client.sendall(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(part))
            client.sendall(part + b"\r\n")


class RtspServer(LiveServer):
    """RTSP with MPEG-TS in RTP (RFC 2250), interleaved in the same connection (RFC 2326, 10.12)."""

    scheme = "rtsp"

    def serve(self, client: socket.socket) -> None:
        """Answer one client's requests, then stream."""
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                received = client.recv(4096)
                if not received:
                    return
                pending += received
            request, _, pending = pending.partition(b"\r\n\r\n")
            lines = request.decode().split("\r\n")
            method, fields = lines[0].split()[0], dict(line.split(": ", 1) for line in lines[1:])
            client.sendall(self._answer(method, fields))
            if method == "PLAY":
                break
        for number, part in enumerate(self._paced(self._packets())):
            header = struct.pack(">BBHII", 0x80, 33, number % 65536, number * 900, 7)
            client.sendall(struct.pack(">cBH", b"$", 0, len(header) + len(part)) + header + part)

    def _packets(self) -> list[bytes]:
        return [part[at : at + 7 * 188] for part in transport_stream() for at in range(0, len(part), 7 * 188)]

    def _answer(self, method: str, fields: dict[str, str]) -> bytes:
        body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track0\r\n"
        more = {
            "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
            "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n\r\n{body}",
            "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
            "PLAY": "Session: 1\r\n\r\n",
        }.get(method, "Session: 1\r\n\r\n")
        return f"RTSP/1.0 200 OK\r\nCSeq: {fields.get('CSeq', '0')}\r\n{more}".encode()


class DeafRtspServer(RtspServer):
    """Lets a client begin to publish and then reads no more; its connection stays open.

    Args:
        after: the last request that it reads; one before `RECORD` is not answered.
    """

    def __init__(self, after: str = "RECORD", port: int = 0) -> None:
        self._after = after
        super().__init__(port)

    def serve(self, client: socket.socket) -> None:
        """Answer until the last request, then wait to be killed."""
        pending = b""
        while True:
            while b"\r\n\r\n" not in pending:
                pending += client.recv(4096)
            request, _, pending = pending.partition(b"\r\n\r\n")
            lines = request.decode().split("\r\n")
            method, fields = lines[0].split()[0], dict(line.split(": ", 1) for line in lines[1:])
            body = int(fields.get("Content-Length", 0))
            while len(pending) < body:
                pending += client.recv(4096)
            pending = pending[body:]
            if method != self._after or method == "RECORD":
                client.sendall(self._answer(method, fields))
            if method == self._after:
                break
        self._dead.wait()


class UdpSender(LiveServer):
    """MPEG-TS in datagrams to a port of loopback, whether anybody listens or not."""

    scheme = "udp"

    def _listen(self, port: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", port))
            self.port = int(free.getsockname()[1])
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def _accept(self) -> None:
        with suppress(OSError):
            for part in self._paced(transport_stream() * 4):
                for at in range(0, len(part), 7 * 188):
                    self._listener.sendto(part[at : at + 7 * 188], ("127.0.0.1", self.port))


SERVERS: dict[str, Callable[[], LiveServer]] = {
    "rtsp": RtspServer,
    "http": MjpegServer,
    "tcp": LiveServer,
    "udp": UdpSender,
}


def noise(seed: int) -> Iterator[bytes]:
    """Bytes without sense, without end."""
    random = np.random.default_rng(seed)
    for _ in count():
        yield random.bytes(1316)
