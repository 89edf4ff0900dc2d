"""A typist: no stale answer, no flicker; and the next fill is there before it is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.lsp_server.conftest import StartEditor, shown, until

# One character alone is not shown.
UNTYPED = 3


@pytest.mark.parametrize("milliseconds", [10, 50, 150])
async def test_typing_sees_no_stale_answer_and_no_flicker(
    start: StartEditor, milliseconds: int
) -> None:
    text = "total = compute(item)"
    rules = [
        {"after": text[:typed], "text": text[typed:], "steps": 2, "delay": 0.005}
        for typed in range(len(text) - 1, 0, -1)
    ]
    editor = await start(*rules)
    uri = editor.open("", "file:///typing.py")
    answers: list[tuple[int, bool, Any]] = []
    sent = 0

    async def ask(typed: int) -> None:
        document = editor.documents[uri]
        answer = await editor.inline(uri, typed, automatic=True)
        after = None
        if answer is not None:
            (item,) = answer.items
            start, end = document.offsets(item.range)
            after = document.text[:start] + item.insert_text + document.text[end:]
        answers.append((typed, sent > typed, after))

    asked = []
    for typed, character in enumerate(text[:-UNTYPED], 1):
        editor.type(uri, typed - 1, character)
        sent = typed
        asked.append(asyncio.ensure_future(ask(typed)))
        await asyncio.sleep(milliseconds / 1000)
    await asyncio.gather(*asked)
    assert len(answers) == len(text) - UNTYPED, "not one answer each"
    assert answers[-1] == (len(text) - UNTYPED, False, text)
    visible = False
    for _, superseded, after in sorted(answers):
        assert after in (None, text), "stale: not what fits the text it was asked for"
        if not superseded:
            assert after == text or not visible, "flicker: what was typed into has gone"
            visible = visible or after is not None
    await until(
        lambda: len(editor.events("begin")) == len(editor.events("end", "cancelled")), "the engine"
    )


async def test_the_next_fill_is_there_before_it_is_asked_for(start: StartEditor) -> None:
    editor = await start(
        {"after": "x = compute()", "text": ""},
        {"after": "x = compute()\n", "text": "y = more()"},
        {"after": "x = ", "text": "compute()"},
        options={"speculate": True},
    )
    uri = editor.open("x = \n", "file:///ahead.py")
    assert await shown(editor, uri, 4) == "x = compute()\n"
    await editor.engine_has("end", 3)
    await asyncio.sleep(0.2)
    editor.type(uri, 4, "compute()")
    editor.type(uri, 13, "\n")
    assert await shown(editor, uri, 14) == "x = compute()\ny = more()\n"
    begun = [event["tail"] for event in editor.events("begin")]
    assert begun.count("x = compute()\n") == 1


async def test_looking_ahead_gives_way_at_once(start: StartEditor) -> None:
    editor = await start(
        {"after": "x = compute()", "text": "z", "steps": 500, "delay": 0.01},
        {"after": "x = ", "text": "compute()"},
        {"text": "other"},
        options={"speculate": True},
    )
    uri = editor.open("x = \n", "file:///way.py")
    assert await shown(editor, uri, 4) is not None
    await editor.engine_has("step", 2)
    other = editor.open("q\n", "file:///other.py")
    assert (await editor.inline(other, 1)).items[0].insert_text == "other"
    await editor.engine_has("cancelled")


async def test_looking_ahead_gives_way_to_another_window(
    start: StartEditor, tmp_path: Path
) -> None:
    rules = (
        {"after": "x = compute()", "text": ".more()", "steps": 100, "delay": 0.02},
        {"after": "x = ", "text": "compute()"},
        {"text": "other"},
    )
    first = await start(*rules, options={"speculate": True})
    second = await start(*rules, model=tmp_path / "0.json")
    uri = first.open("x = \n", "file:///first.py")
    assert await shown(first, uri, 4) is not None
    await first.engine_has("step", 2)
    first.type(uri, 4, "compute()")
    joined = asyncio.ensure_future(first.inline(uri, 13))
    await first.code_actions(uri, 13, 13)  # answered behind it: it has been asked for
    other = second.open("q\n", "file:///second.py")
    assert (await second.inline(other, 1)).items[0].insert_text == "other"
    assert len(first.events("cancelled")) == 1, "waited for what nobody has asked for"
    assert (await joined).items[0].insert_text == ".more()", "asked for meanwhile, it begins again"


async def test_completion_only_where_there_is_no_ghost_text(start: StartEditor) -> None:
    editor = await start({"text": "fill"}, options={"completion": None})
    uri = editor.open("x = \n")
    assert await editor.completion(uri, 4) is None


async def test_manual_mode_and_left_out_filters(start: StartEditor) -> None:
    editor = await start(
        {"text": "a<eos>b"},
        options={"trigger": "manual", "withoutFilters": ["strip_special_tokens"]},
    )
    uri = editor.open("x = \n")
    assert await shown(editor, uri, 4) is None
    assert (await editor.inline(uri, 4)).items[0].insert_text == "a<eos>b"
