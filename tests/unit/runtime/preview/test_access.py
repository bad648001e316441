"""Who may look: tokens, and pages of other sites."""

from __future__ import annotations

import pytest

from etc_edge.core.errors import PreviewError
from etc_edge.runtime.preview.access import LEAST_TOKEN, Access, token_for

TOKEN = "correct horse battery"


def test_a_token_is_made_only_where_others_can_reach_the_page() -> None:
    assert token_for(True, None) is None
    made = {token_for(False, None) for _ in range(100)}
    assert len(made) == 100
    assert min(len(token or "") for token in made) >= 24
    assert token_for(True, TOKEN) == TOKEN
    for easy in ("", "x" * (LEAST_TOKEN - 1), "with\nline break"):
        with pytest.raises(PreviewError, match="preview token"):
            token_for(False, easy)


def test_only_the_token_opens() -> None:
    access = Access(TOKEN)
    assert access.allows({}, TOKEN)
    assert access.allows({"Authorization": f"Bearer {TOKEN}"}, None)
    for headers, cookie in (
        ({}, None),
        ({}, TOKEN[:-1]),
        ({}, TOKEN + " "),
        ({"Authorization": f"Basic {TOKEN}"}, None),
        ({"Authorization": TOKEN}, "é\udcff"),
    ):
        assert not access.allows(headers, cookie)
    assert Access(None).allows({}, None)


@pytest.mark.parametrize(
    ("host", "origin", "token", "ours"),
    [
        ("127.0.0.1:8430", None, None, True),
        ("localhost:8430", "http://localhost:8430", None, True),
        ("[::1]:8430", "http://[::1]:8430", None, True),
        ("127.0.0.1:8430", "https://evil.example", None, False),
        ("127.0.0.1:8430", "http://127.0.0.1:80", None, False),
        ("127.0.0.1:8430", "null", None, False),
        ("evil.example:8430", None, None, False),
        ("evil.example:8430", "http://evil.example:8430", None, False),
        ("box.local:8430", "http://box.local:8430", TOKEN, True),
        ("box.local:8430", "https://evil.example", TOKEN, False),
    ],
)
def test_a_page_of_another_site_is_told_from_ours(host: str, origin: str | None, token: str | None, ours: bool) -> None:
    headers = {"Host": host} if origin is None else {"Host": host, "Origin": origin}
    assert Access(token).comes_from_here(headers) is ours
