"""Where a preview listens: what people write, what only this machine reaches, and what cannot be had."""

from __future__ import annotations

import socket

import pytest

from etc_edge.core.errors import PreviewError
from etc_edge.runtime.preview.address import Address, listen, parse_address, reachable_host


@pytest.mark.parametrize(
    ("spec", "host", "port", "loopback"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("localhost", "localhost", 8430, True),
        (":9000", "127.0.0.1", 9000, True),
        ("9000", "127.0.0.1", 9000, True),
        ("127.9.9.9", "127.9.9.9", 8430, True),
        ("[::1]:0", "::1", 0, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::]", "::", 8430, False),
        ("box.local:80", "box.local", 80, False),
    ],
)
def test_what_people_write(spec: str, host: str, port: int, loopback: bool) -> None:
    address = parse_address(spec)
    assert address == Address(host, port)
    assert address.loopback is loopback


@pytest.mark.parametrize("spec", ["", "http://box", "box:port", "::1", "a b", "1.2.3.4:", "/tmp/video.mp4"])
def test_what_is_no_address(spec: str) -> None:
    with pytest.raises(PreviewError, match="expected HOST:PORT"):
        parse_address(spec)


def test_a_port_is_below_65536() -> None:
    with pytest.raises(PreviewError, match="0 to 65535"):
        parse_address(":65536")


def test_a_port_that_is_in_use_and_a_host_of_another_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PreviewError, match=f"no way to listen on 127.0.0.1:{port}.*in use"):
            listen(Address("127.0.0.1", port))
    with pytest.raises(PreviewError, match="no way to listen on 192.0.2.1:0"):
        listen(Address("192.0.2.1", 0))


def test_every_address_is_shown_as_one_that_others_can_open() -> None:
    assert reachable_host("0.0.0.0") not in ("0.0.0.0", "")
    assert reachable_host("::1") == "[::1]"
