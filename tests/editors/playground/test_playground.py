"""The playground in a real browser: holes placed, filled, looked at, inserted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.editors.playground.browser import Page, find, opened
from tests.playing import served

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
# Monaco draws spaces as no-break spaces.
CODE = "document.querySelector('.view-lines').innerText.replaceAll('\\u00a0', ' ')"
SHOWS = CODE + ".includes('{}')"
READY = "document.querySelector('#status').textContent.includes('ready')"
CAN_INSERT = "!document.querySelector('#insert').disabled"
ENTER, ESCAPE = 13, 27

Open = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def open_page(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_page(*rules: dict[str, Any]) -> AsyncIterator[Page]:
        """With the scripted engine where there are rules, with the embedded model without."""
        script = tmp_path / "script.json" if rules else None
        if script:
            script.write_text(json.dumps({"fills": rules}))
        async with served(script) as address, opened(address, tmp_path / "profile") as page:
            await page.until("document.readyState === 'complete'")
            await page.until(READY)
            yield page
            assert page.complaints == []

    return open_page


async def test_holes_resolve_together_and_are_inserted(open_page: Open) -> None:
    rule = {"texts": ["end", "self.start <= number"], "steps": 5, "delay": 0.05}
    async with open_page(rule) as page:
        assert await page.text("#fill") == "Fill 2 holes"
        await page.click("#fill")
        await page.until(CAN_INSERT)
        await page.until(SHOWS.format("self.start <= number"))
        await page.screenshot(SCREENSHOTS / "playground.png")
        code = await page.evaluate(CODE)
        assert "self.end = end\n" in code
        assert "return self.start <= number\n" in code
        assert await page.evaluate("document.querySelectorAll('#steps-chart .bar').length") == 5
        assert "5" in await page.text("#facts")

        await page.click("#steps-chart .bar:nth-child(2)")
        assert "2 of at most 5" in await page.text("#step-label")
        await page.until("!" + SHOWS.format("self.start <= number"))
        await page.screenshot(SCREENSHOTS / "playground-step.png")

        await page.click("#candidates button")
        await page.click("#insert")
        await page.until(SHOWS.format("self.end = end"))
        assert await page.text("#fill") == "Fill"


async def test_code_is_typed_and_a_mark_is_a_hole(open_page: Open) -> None:
    async with open_page({"text": "🎉 + 1"}) as page:
        await page.evaluate(
            "(() => { const s = document.querySelector('#sample');"
            " s.value = s.options.length - 1; s.onchange(); })()"
        )
        await page.type("x = ???")
        await page.until(SHOWS.format("hole 1"))
        await page.press("Enter", ENTER, ctrl=True)
        await page.until(CAN_INSERT)
        await page.until(SHOWS.format("x = 🎉 + 1"))
        await page.press("Escape", ESCAPE)
        await page.until(SHOWS.format("hole 1"))


async def test_a_fill_is_stopped(open_page: Open) -> None:
    async with open_page({"text": "never", "steps": 200, "delay": 0.1}) as page:
        await page.click("#fill")
        await page.until("document.querySelector('#fill').textContent === 'Stop'")
        await page.press("Escape", ESCAPE)
        await page.until("document.querySelector('#status').textContent === 'stopped'")
        await page.until(SHOWS.format("hole 1"))


async def test_a_failure_is_told(open_page: Open) -> None:
    rule = {"error": {"kind": "out_of_memory", "message": "too little memory"}}
    async with open_page(rule) as page:
        await page.click("#fill")
        await page.until(
            "document.querySelector('#status').textContent.includes('too little memory')"
        )
        await page.until(SHOWS.format("hole 2"))


async def test_the_embedded_model_fills(open_page: Open) -> None:
    async with open_page() as page:
        await page.click("#fill")
        await page.until(CAN_INSERT)
        await page.screenshot(SCREENSHOTS / "playground-embedded.png")
        assert "embedded on cpu" in await page.text("#facts")
