"""Where a preview listens."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from etc_edge.core.errors import PreviewError

HOST, PORT = "127.0.0.1", 8430
DEFAULT = f"{HOST}:{PORT}"

_SPEC = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[\w.-]*))(?::(?P<port>\d+))?")


@dataclass(frozen=True)
class Address:
    """A host, as a name or a number, and a port; port 0 takes any that is free."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(spec: str) -> Address:
    """Read `HOST:PORT`, `HOST`, `:PORT`, `PORT` or `[IPv6]:PORT`; what is left out is 127.0.0.1 and 8430.

    Raises:
        PreviewError: it is none of these.
    """
    found = _SPEC.fullmatch(f":{spec}" if spec.isdigit() else spec)
    if found is None or not spec:
        raise PreviewError(
            f"Found {spec!r} as the preview's address, expected HOST:PORT, such as 127.0.0.1:{PORT}.",
            "Write --preview behind the sources, or --preview=HOST:PORT.",
        )
    port = int(found["port"] or PORT)
    if port > 65535:
        raise PreviewError(f"Found port {port} for the preview, expected 0 to 65535.")
    return Address(found["six"] or found["host"] or HOST, port)


def listen(address: Address) -> socket.socket:
    """A socket that listens there.

    Raises:
        PreviewError: the host is unknown or not of this machine, or the port is in use.
    """
    try:
        family, *_, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family, backlog=128)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PreviewError(
            f"Found no way to listen on {address} for the preview: {reason}.",
            "Choose another port, such as --preview :8431, or --preview :0 for any that is free.",
        ) from error


def reachable_host(host: str) -> str:
    """What a browser on another machine may call a host: of "every address" the one that others would see."""
    if host not in ("0.0.0.0", "::"):
        return f"[{host}]" if ":" in host else host
    try:
        # Nothing is sent: connecting a datagram socket only chooses the interface. The address is one for documents.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
