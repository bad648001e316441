"""Who may look: a token where others can reach the page, and no page of another site anywhere."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from etc_edge.core.errors import PreviewError

LEAST_TOKEN = 12
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Access:
    """Decides about requests.

    Args:
        token: what a request must bring, or None where none is asked for.
        host: the name or number that the preview listens on, for requests without a token.
    """

    def __init__(self, token: str | None, host: str = "127.0.0.1") -> None:
        self.token = token
        self._hosts = {*_LOCAL_NAMES, f"[{host}]".lower() if ":" in host else host.lower()}

    def brings_token(self, given: str | None) -> bool:
        """Whether this is the token, in a time that tells nothing of how much of it is right."""
        if self.token is None or given is None:
            return False
        return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode())

    def allows(self, headers: Mapping[str, str], cookie: str | None) -> bool:
        """Whether a request's headers bring the token: as a cookie, or as `Authorization: Bearer TOKEN`."""
        if self.token is None:
            return True
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        return self.brings_token(cookie) or (scheme.lower() == "bearer" and self.brings_token(bearer.strip()))

    def comes_from_here(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from our own page or from no page at all.

        Browsers let any site open a WebSocket to this machine, and a site may give its own name this machine's address;
        they say truly in `Origin` and `Host` which site it is.
        """
        host = headers.get("Host", "").lower()
        origin = headers.get("Origin")
        if origin is not None and origin.lower().partition("://")[2] != host:
            return False
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        return self.token is not None or name in self._hosts


def token_for(loopback: bool, given: str | None) -> str | None:
    """The token to ask for: the one that was given, else a new one where other machines can reach the preview.

    Raises:
        PreviewError: the one that was given is easy to guess.
    """
    if given is None:
        return None if loopback else secrets.token_urlsafe(18)
    if len(given) < LEAST_TOKEN or not given.isprintable():
        raise PreviewError(
            f"Found a preview token of {len(given)} characters, expected {LEAST_TOKEN} or more, all printable.",
            "Leave it out and one is made.",
        )
    return given
