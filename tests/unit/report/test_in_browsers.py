"""A report in real browsers: its film plays when asked, and it fits a desk and a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from etc_edge.core.pictures import pictures_folder
from etc_edge.core.results import save_results
from etc_edge.stages.evaluate import evaluate
from etc_edge.stages.report import report
from tests.chromium import browser, chromium
from tests.firefox import firefox, firefox_tab
from tests.street_models import float_bundle, int8_bundle

BROWSERS = {"Chromium": (chromium, browser), "Firefox": (firefox, firefox_tab)}
LONGER = "synthetic:street?size=64x96&frames=9&train=2&val=2"
FILM = "document.querySelector('video')"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with pictures and a film."""
    folder = tmp_path_factory.mktemp("report")
    floating = float_bundle(folder)
    out = folder / "results.json"
    int8 = int8_bundle(floating).path
    found = evaluate(int8, LONGER, "val", floating.path, "onnxruntime", threads=1, pictures=pictures_folder(out))
    save_results(found, out)
    report([out], folder / "report.html")
    return folder / "report.html"


def in_browser(name: str, page: Path, profile: Path, story: Callable[[Any], Awaitable[None]]) -> None:
    installed, opened = BROWSERS[name]
    if installed() is None:
        pytest.skip(f"no {name} is installed")

    async def go() -> None:
        async with opened(profile) as tab:
            await tab.look(1280, 900)
            await tab.open(page.as_uri())
            await tab.until("document.readyState === 'complete'")
            await story(tab)

    asyncio.run(go())


@pytest.mark.parametrize("name", BROWSERS)
def test_the_film_plays_when_it_is_asked_to(name: str, page: Path, tmp_path: Path) -> None:
    async def story(tab: Any) -> None:
        if not await tab.value(f"{FILM}.canPlayType('video/mp4; codecs=\"avc1.42E01E\"')"):
            pytest.skip(f"this {name} has no H.264")
        await tab.until(f"{FILM}.readyState >= 2")
        assert await tab.value(f"[{FILM}.paused, {FILM}.currentTime]") == [True, 0]
        assert await tab.value(f"{FILM}.videoWidth") > 0
        await tab.value(f"{FILM}.play().then(() => true)")
        await tab.until(f"{FILM}.currentTime > 0")
        assert await tab.value(f"{FILM}.error === null")

    in_browser(name, page, tmp_path, story)


@pytest.mark.parametrize("name", BROWSERS)
def test_it_fits_a_desk_and_a_phone(name: str, page: Path, tmp_path: Path) -> None:
    async def story(tab: Any) -> None:
        for width in (1280, 375):
            await tab.look(width, 800)
            # What is too wide scrolls by itself, not the page.
            await tab.until(f"innerWidth <= {width} && document.documentElement.scrollWidth <= innerWidth")
        assert await tab.value("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")

    in_browser(name, page, tmp_path, story)
