"""The playground in a real browser: holes placed, filled, looked at, inserted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lsp_server import __version__
from tests.editors.playground.browser import Page, find, opened
from tests.playing import served

pytestmark = pytest.mark.skipif(find() is None, reason="chromium is not installed")

SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
# Monaco draws spaces as no-break spaces.
CODE = "document.querySelector('.view-lines').innerText.replaceAll('\\u00a0', ' ')"
SHOWS = CODE + ".includes('{}')"
READY = "document.querySelector('#status').textContent.includes('ready')"
CHOOSE = "(() => {{ const s = document.querySelector('#sample'); s.value = {}; s.onchange(); }})()"
CAN_INSERT = "!document.querySelector('#insert').disabled"
ENTER, ESCAPE = 13, 27

Open = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def open_page(tmp_path: Path) -> Open:
    @asynccontextmanager
    async def open_page(
        *rules: dict[str, Any],
        beside: dict[str, Any] | None = None,
        still: bool = True,
        width: int = 1280,
    ) -> AsyncIterator[Page]:
        """With the scripted engine where there are rules, with the embedded model without.

        `beside` is the rule of a second model; `still`: nothing is filled before it is asked for.
        """
        scripts = []
        for name, given in (("script", rules), ("beside", (beside,) if beside else ())):
            if given:
                scripts.append(tmp_path / f"{name}.json")
                scripts[-1].write_text(json.dumps({"fills": given, "info": {"model": name}}))
        motion = {"name": "prefers-reduced-motion", "value": "reduce" if still else ""}
        async with (
            served(*scripts) as address,
            opened(address, tmp_path / "profile", [motion], width) as page,
        ):
            await page.until("document.readyState === 'complete'")
            await page.until(READY)
            yield page
            assert page.complaints == []

    return open_page


async def test_holes_resolve_together_and_are_inserted(open_page: Open) -> None:
    rule = {"texts": ["balance", 'ValueError("amount")'], "steps": 5, "delay": 0.05}
    async with open_page(rule) as page:
        assert await page.text("#fill") == "Fill 2 holes"
        await page.click("#fill")
        await page.until(CAN_INSERT)
        await page.until(SHOWS.format('ValueError("amount")'))
        await page.screenshot(SCREENSHOTS / "playground.png")
        code = await page.evaluate(CODE)
        assert "self.balance = balance\n" in code
        assert 'raise ValueError("amount")\n' in code
        assert await page.evaluate("document.querySelectorAll('#steps-chart .bar').length") == 5
        assert await page.evaluate("document.querySelector('#heat').height") >= 5
        assert "5" in await page.text("#facts")
        # The fill itself comes after the last of the steps.
        assert await page.evaluate("document.querySelector('#scrub').value") == "6"

        await page.click("#steps-chart .bar:nth-child(2)")
        assert "2 of at most 5" in await page.text("#step-label")
        await page.until("!" + SHOWS.format('ValueError("amount")'))
        await page.screenshot(SCREENSHOTS / "playground-step.png")

        await page.click("#play")
        await page.until("document.querySelector('#play').textContent === 'Pause'")
        await page.until("document.querySelector('#play').textContent === 'Play'")
        await page.until(SHOWS.format('ValueError("amount")'))

        await page.click("#candidates button")
        await page.click("#insert")
        await page.until(SHOWS.format("self.balance = balance"))
        assert await page.text("#fill") == "Fill"


async def test_the_first_sample_is_filled_before_anybody_asks(open_page: Open) -> None:
    rule = {"texts": ["balance", "ValueError"], "steps": 2}
    async with open_page(rule, still=False) as page:
        await page.until(CAN_INSERT)
        await page.until(SHOWS.format("raise ValueError"))


@pytest.mark.parametrize(
    ("candidates", "note", "shows"),
    [
        (["3", "1", "2"], "", "self.y = 3"),
        (["", "1", "2"], "nothing at all", "self.y = 1"),
        (["))", "1", "2"], "would leave syntax errors", "self.y = 1"),
        (["))", "((", "]"], "All that the model has", "self.y = ))"),
        ([""], "nothing to put here", "self.y ="),
    ],
)
async def test_candidates_have_a_probability_and_what_is_passed_over_is_told(
    open_page: Open, candidates: list[str], note: str, shows: str
) -> None:
    first, *others = candidates
    rule = {"text": first, "others": others, "doubts": [0.5, 0.004][: len(others)]}
    async with open_page({**rule, "confidence": 0.75}) as page:
        await page.evaluate(CHOOSE.format("1"))
        await page.click("#fill")
        await page.until(CAN_INSERT)
        told = await page.text("#note")
        assert note in told if note else not told
        await page.until(SHOWS.format(shows))
        rows = await page.evaluate(
            "[...document.querySelectorAll('#candidates li')].map((row) => row.innerText)"
        )
        probabilities = ["75%", "50%", "< 1%"]
        broken = {"))", "((", "]", ""}
        for row, text, probability in zip(rows, candidates, probabilities, strict=False):
            assert row.startswith(text or "(nothing)")
            assert row.endswith(probability)
            assert ("leaves syntax errors" in row) == (text in broken)


async def test_models_fill_the_same_holes_side_by_side(open_page: Open) -> None:
    rules = {"text": "one", "steps": 2}, {"text": "other", "steps": 3, "confidence": 0.25}
    async with open_page(rules[0], beside=rules[1]) as page:
        await page.evaluate(CHOOSE.format("1"))
        await page.click("#fill")
        await page.until(CAN_INSERT)
        await page.click("#compare-run")
        await page.until("document.querySelector('#compared').textContent.includes('25%')")
        await page.until(CAN_INSERT)
        rows = await page.evaluate(
            "[...document.querySelectorAll('#compared li')].map((row) => row.innerText)"
        )
        assert [row.splitlines()[:2] for row in rows] == [["script", "one"], ["beside", "other"]]
        await page.click("#compared li:nth-child(2) button")
        await page.until(SHOWS.format("self.y = other"))
        await page.click("#insert")
        await page.until(SHOWS.format("self.y = other"))


async def test_a_case_becomes_a_report(open_page: Open) -> None:
    async with open_page({"text": "`y`", "steps": 2, "confidence": 0.5}) as page:
        await page.evaluate(CHOOSE.format("1"))
        await page.click("#fill")
        await page.until(CAN_INSERT)
        await page.click("#report")
        report = await page.evaluate("document.querySelector('#report-text').value")
        await page.screenshot(SCREENSHOTS / "playground-report.png")
        assert "```python\nclass Point:\n" in report
        assert "self.y = ???\n" in report  # as the playground reads it
        assert "1. 50%" in report
        assert "| model | script on script |" in report
        assert f"| infill-ls | {__version__} |" in report
        await page.call("Browser.grantPermissions", permissions=["clipboardReadWrite"])
        await page.click("#report-copy")
        await page.until("document.querySelector('#report-copied').textContent !== ''")


@pytest.mark.parametrize("width", [320, 480, 800, 1280])
async def test_what_begins_a_fill_is_in_sight_in_every_window(open_page: Open, width: int) -> None:
    async with open_page({"text": "a"}, width=width) as page:
        in_sight = (
            "(() => { const box = document.querySelector('#fill').getBoundingClientRect();"
            " return box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth })()"
        )
        assert await page.evaluate(in_sight)
        await page.evaluate("document.querySelector('#candidates').scrollIntoView()")
        assert await page.evaluate(in_sight)
        await page.screenshot(SCREENSHOTS / f"playground-{width}.png")


async def test_code_is_typed_and_a_mark_is_a_hole(open_page: Open) -> None:
    async with open_page({"text": "🎉 + 1"}) as page:
        await page.evaluate(CHOOSE.format("s.options.length - 1"))
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
        assert "embedded on cpu" in await page.text("#facts")
        assert "%" in await page.text("#candidates small")
        await page.until("document.querySelector('#facts').textContent.includes('its floor')")
        assert not await page.evaluate("document.querySelector('#floor-line').hidden")
        await page.screenshot(SCREENSHOTS / "playground-embedded.png")
