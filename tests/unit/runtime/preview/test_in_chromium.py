"""The page in a real browser: it draws, reacts, stays within its bounds and complains about nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from etc_edge.runtime.preview import Preview
from tests.chromium import Tab, browser, chromium
from tests.shown_run import SIZE_HW, shown
from tests.tiny_bundle import LABELS

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium is installed")

CANVAS = "document.querySelector('.tile canvas')"
# Shares of the picture that are purely red, green and blue.
PURE = f"""(() => {{
  const canvas = {CANVAS}, pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const counts = [0, 0, 0];
  for (let place = 0; place < pixels.length; place += 4) {{
    const color = [...pixels.slice(place, place + 3)];
    const pure = color.filter((value) => value === 0).length === 2;
    if (pure) color.forEach((value, at) => {{ counts[at] += value === 255; }});
  }}
  return counts.map((count) => count / (canvas.width * canvas.height));
}})()"""


def drawn(more_than: int) -> str:
    return f"Number(({CANVAS} || {{dataset: {{}}}}).dataset.drawn) > {more_than}"


def in_browser(profile: Path, story: Callable[[Tab], Awaitable[None]]) -> None:
    async def go() -> None:
        async with browser(profile) as tab:
            await tab.look(1280, 900)
            await story(tab)

    asyncio.run(go())


def opacity(percent: int) -> str:
    return (
        f"(() => {{ const one = document.getElementById('opacity'); one.value = {percent};"
        " one.dispatchEvent(new Event('input')); })()"
    )


def test_the_page_draws_and_reacts(tmp_path: Path) -> None:
    async def story(tab: Tab) -> None:
        # The token that was made opens the page and leaves the address.
        await tab.open(f"http://127.0.0.1:{preview.port}/?token={preview.token}")
        await tab.until(drawn(3))
        assert await tab.value("location.search") == ""
        assert await tab.value(f"[{CANVAS}.height, {CANVAS}.width]") == list(SIZE_HW)
        assert await tab.until("document.getElementById('state').textContent === 'streaming'")
        names = "[...document.querySelectorAll('#legend .name')].map((one) => one.textContent)"
        assert await tab.value(names) == list(LABELS.names)
        await tab.until("document.querySelector('#legend .share').textContent.endsWith('%')")

        # At full opacity each pixel has its class's colour; of classes that are hidden there is the picture.
        assert sum(await tab.value(PURE)) < 0.01
        await tab.value(opacity(100))
        assert sum(await tab.value(PURE)) == pytest.approx(1)
        await tab.value("document.getElementById('none').click()")
        assert sum(await tab.value(PURE)) < 0.01
        await tab.value("document.querySelector('#legend [data-class=green]').click()")
        red, green, blue = await tab.value(PURE)
        assert green > 0.05
        assert red + blue < 0.01
        await tab.value("document.getElementById('all').click()")
        assert sum(await tab.value(PURE)) == pytest.approx(1)

        lines = "document.querySelectorAll('[data-chart={}] path.line').length"
        await tab.until(f"{lines.format('latency')} === 2 && {lines.format('fps')} === 1")
        assert await tab.value("document.querySelector('[data-chart=disagreement]')") is None
        await tab.look(390, 844, scale=2)
        assert await tab.value("document.documentElement.scrollWidth") <= 390

        preview.close()
        await tab.until("document.getElementById('notice').textContent.startsWith('The connection is lost')")
        assert [one for one in tab.problems if "ERR_CONNECTION_REFUSED" not in one and "WebSocket" not in one] == []

    with Preview("0.0.0.0:0") as preview, shown(preview):
        in_browser(tmp_path, story)


def test_several_streams_share_the_page_and_a_wrong_token_is_asked_again(tmp_path: Path) -> None:
    async def story(tab: Tab) -> None:
        await tab.open(f"http://127.0.0.1:{preview.port}/?token=wrong")
        await tab.until("document.querySelector('input[name=token]') !== null")
        await tab.value(
            f"(() => {{ document.querySelector('input').value = '{preview.token}';"
            " document.querySelector('form').requestSubmit(); })()"
        )
        await tab.until("document.querySelectorAll('.tile canvas[data-drawn]').length === 2")
        buttons = "[...document.querySelectorAll('#streams button')]"
        assert await tab.value(f"{buttons}.map((one) => one.textContent)") == ["All", "door", "yard"]
        await tab.value(f"{buttons}[2].click()")
        assert await tab.value("[...document.querySelectorAll('.tile')].map((one) => one.dataset.stream)") == ["1"]
        assert await tab.value("document.getElementById('of').textContent") == "of yard"

    with Preview(":0", "correct horse battery") as preview, shown(preview), shown(preview, "yard"):
        in_browser(tmp_path, story)
