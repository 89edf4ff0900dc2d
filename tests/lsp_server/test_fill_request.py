"""infill/fill: holes of the client's own choosing."""

from __future__ import annotations

from typing import Any

import pytest
from pygls.exceptions import JsonRpcException

from lsp_server.capabilities import FILL
from tests.lsp_server.conftest import Editor, StartEditor
from tests.lsp_server.test_drafts import plain

CODE = "🎉 = f(\n)\r\nwhile done:\n    pass\n"


def hole(editor: Editor, uri: str, start: int, end: int) -> dict[str, Any]:
    range = editor.documents[uri].range(start, end)
    return {
        name: {"line": at.line, "character": at.character}
        for name, at in (("start", range.start), ("end", range.end))
    }


async def fill(editor: Editor, uri: str, *holes: Any, **more: Any) -> dict[str, Any]:
    params = {"textDocument": {"uri": uri}, "holes": holes, **more}
    return dict(plain(await editor.send(FILL, params)))


async def test_holes_are_filled_together_with_a_trace(start: StartEditor) -> None:
    editor = await start({"texts": ["a", "not b"], "steps": 3, "confidence": 0.5})
    uri = editor.open(CODE)
    at = CODE.index("done")
    holes = hole(editor, uri, 6, 6), hole(editor, uri, at, at + 4)
    told = await fill(editor, uri, *holes, trace=True)
    assert told["texts"] == ["a", "not b"]
    assert (told["confidence"], told["steps"], told["canvasTokens"]) == (0.5, 3, 32)
    assert (told["model"], told["device"]) == ("scripted", "script")
    drafts = told["drafts"]
    assert [(each["step"], each["of"]) for each in drafts] == [(1, 3), (2, 3), (3, 3)]
    assert drafts[-1]["texts"] == ["a", "not b"]
    assert drafts[-1]["confidence"][1] == [{"start": 0, "end": 5, "confidence": 1.0}]
    assert sorted(each["seconds"] for each in drafts) == [each["seconds"] for each in drafts]


async def test_the_dials_reach_the_engine(start: StartEditor) -> None:
    editor = await start({"text": "a", "steps": 9})
    uri = editor.open(CODE)
    told = await fill(editor, uri, hole(editor, uri, 6, 6), steps=2)
    assert told["steps"] == 2
    assert "drafts" not in told


async def test_candidates_say_how_likely_they_are_and_what_they_break(start: StartEditor) -> None:
    rule = {"text": "a", "others": ["b", "))"], "doubts": [0.25, 0.5], "confidence": 0.75}
    editor = await start(rule)
    uri = editor.open("x = \n")
    told = await fill(editor, uri, hole(editor, uri, 4, 4))
    assert told["calibration"] == "calibrated"
    found = [(each["texts"], each["confidence"], each["breaks"]) for each in told["alternatives"]]
    assert found == [(["a"], 0.75, False), (["b"], 0.25, False), (["))"], 0.5, True)]


async def test_a_fill_without_alternatives_is_its_own(start: StartEditor) -> None:
    editor = await start({"text": "a", "confidence": 0.5})
    uri = editor.open("x = \n")
    told = await fill(editor, uri, hole(editor, uri, 4, 4))
    alone = {"texts": ["a"], "score": None, "confidence": 0.5, "breaks": False}
    assert told["alternatives"] == [alone]


@pytest.mark.parametrize(
    ("holes", "more", "says"),
    [
        ([], {}, "one or more ranges"),
        ([(1, 5), (4, 6)], {}, "do not overlap"),
        ([(1, 1)], {"steps": 0}, "steps must be at least 1"),
        ([(1, 1)], {"steps": "many"}, "needs textDocument.uri and holes"),
        ([(1, 1)], {"holes": 7}, "needs textDocument.uri and holes"),
        ([(1, 1)], {"textDocument": {"uri": "file:///other"}}, "is not open"),
        ([(1, 1)], {"textDocument": {"uri": "file:///test.py", "version": 9}}, "has changed"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    start: StartEditor, holes: Any, more: Any, says: str
) -> None:
    editor = await start({"text": "a"})
    uri = editor.open(CODE)
    with pytest.raises(JsonRpcException, match=says):
        await fill(editor, uri, *(hole(editor, uri, *each) for each in holes), **more)


async def test_the_engines_failure_is_told(start: StartEditor) -> None:
    editor = await start({"error": {"kind": "out_of_memory", "message": "too little memory"}})
    uri = editor.open(CODE)
    with pytest.raises(JsonRpcException, match="too little memory"):
        await fill(editor, uri, hole(editor, uri, 6, 6))
