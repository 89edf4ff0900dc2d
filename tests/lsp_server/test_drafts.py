"""infill/draft: what an editor needs to show the text sharpen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.api import Draft, Shape, Span
from lsp_server.document import Document, Encoding
from lsp_server.holes.hole import Hole
from lsp_server.notify.drafts import LEAST_INTERVAL, METHOD, DraftStream, note_on
from lsp_server.notify.folding import folded
from tests.lsp_server.conftest import Editor, StartEditor, until

DRAFTS = {"drafts": True}


def drafts(editor: Editor) -> list[dict[str, Any]]:
    return [plain(each) for each in editor.told[METHOD]]


def plain(message: Any) -> Any:
    """pygls gives a client objects for what it does not know."""
    if isinstance(message, list | tuple) and not hasattr(message, "_asdict"):
        return [plain(each) for each in message]
    if hasattr(message, "_asdict"):
        return {name: plain(value) for name, value in message._asdict().items()}
    return message


async def test_ghost_text_sharpens(start: StartEditor) -> None:
    editor = await start({"text": '"🎉" + b', "steps": 4, "delay": 0.06}, options=DRAFTS)
    uri = editor.open("x = \n")
    answer = await editor.inline(uri, 4)
    assert answer.items[0].insert_text == '"🎉" + b'
    told = drafts(editor)
    assert len({each["id"] for each in told}) == 1
    assert [each["step"] for each in told] == [1, 2, 3, 4, 4]
    assert [each["done"] for each in told] == [False] * 4 + [True]
    texts = [each["text"] for each in told]
    assert texts == ['"', '"🎉"', '"🎉" +', '"🎉" + b', '"🎉" + b']
    for each in told:
        assert (each["uri"], each["version"], each["of"]) == (uri, 1, 4)
        assert (each["hole"], each["holes"]) == (0, 1)
        cursor = {"line": 0, "character": 4}
        assert each["range"] == {"start": cursor, "end": cursor}
    (span,) = told[-1]["confidence"]
    assert span == {"start": 0, "end": 8, "confidence": 1.0}, "in UTF-16 units"


async def test_without_being_asked_for_there_are_none(start: StartEditor) -> None:
    editor = await start({"text": "fill", "steps": 3})
    uri = editor.open("x = ")
    await editor.inline(uri, 4)
    assert drafts(editor) == []


async def test_all_holes_sharpen_together(start: StartEditor) -> None:
    editor = await start({"texts": ["1", "22"], "steps": 2, "delay": 0.06}, options=DRAFTS)
    uri = editor.open("def f():\n    x = ...\n    y = ...\n")
    action = (await editor.code_actions(uri, 3, 3))[0]
    await editor.resolve(action)
    told = drafts(editor)
    assert [(each["hole"], each["step"], each["text"]) for each in told] == [
        (0, 1, ""), (1, 1, "2"), (0, 2, "1"), (1, 2, "22"), (0, 2, "1"), (1, 2, "22"),
    ]  # fmt: skip
    assert told[1]["range"]["start"] == {"line": 2, "character": 8}
    assert told[1]["range"]["end"] == {"line": 2, "character": 11}


async def test_holes_at_one_place_are_one_text_in_their_order(start: StartEditor) -> None:
    editor = await start({"texts": ["Sum.", "One.", "Two.", "It."]}, options=DRAFTS)
    style = 'def g(b):\n    """G.\n\n    Args:\n        b: B.\n    """\n\n\n'
    head = "def f(a, c):"
    uri = editor.open(f"{style}{head}\n    return a\n")
    at = len(style) + 4
    actions = await editor.code_actions(uri, at, at)
    (action,) = [each for each in actions if "docstring" in each.title]
    resolved = await editor.resolve(action)
    told = drafts(editor)[-4:]
    assert [each["hole"] for each in told] == [0, 1, 2, 3]
    place = {"line": 8, "character": len(head)}
    assert all(each["range"] == {"start": place, "end": place} for each in told)
    (change,) = resolved.edit.document_changes
    (edit,) = change.edits
    assert "".join(each["text"] for each in told) == edit.new_text
    assert "        a: One.\n        c: Two.\n" in edit.new_text


async def test_a_cancelled_fill_ends_its_drafts(start: StartEditor) -> None:
    editor = await start({"text": "late" * 50, "steps": 100, "delay": 0.02}, options=DRAFTS)
    uri = editor.open("x = ")
    answer = asyncio.ensure_future(editor.inline(uri, 4, "mine"))
    await until(lambda: len(drafts(editor)) > 1, "drafts")
    editor.cancel("mine")
    await until(lambda: drafts(editor)[-1]["done"], "the last draft")
    answer.cancel()


async def test_no_draft_of_a_text_that_has_changed(start: StartEditor) -> None:
    editor = await start({"text": "later", "steps": 12, "delay": 0.04}, options=DRAFTS)
    uri = editor.open("x = ")
    answer = asyncio.ensure_future(editor.inline(uri, 4))
    await until(lambda: bool(drafts(editor)), "a draft")
    editor.type(uri, 4, "l")
    await answer
    *_, before_last, last = drafts(editor)
    assert last["done"]
    assert before_last["step"] < 12


class Notified:
    """Stands in for the server: keeps what is sent, and when."""

    def __init__(self) -> None:
        self.protocol = self
        self.sent: list[dict[str, Any]] = []
        self.times: list[float] = []

    def notify(self, method: str, params: dict[str, Any]) -> None:
        assert method == METHOD
        self.sent.append(params)
        self.times.append(asyncio.get_running_loop().time())


async def test_drafts_keep_their_distance_and_the_last_one_comes() -> None:
    server = Notified()
    hole = Hole(0, 0, Shape.LINE)
    stream = DraftStream(server, Document("file:///a", 1, "python", ""), [hole])  # type: ignore[arg-type]
    for step in range(1, 41):
        stream.on_draft(Draft((f"{step}",), step, 40))
        await asyncio.sleep(0.002)
    stream.close()
    steps = [each["step"] for each in server.sent]
    assert steps == sorted(steps)
    assert steps[0] == 1
    assert len(steps) < 30
    assert server.sent[-1]["text"] == "40"
    assert [each["done"] for each in server.sent] == [False] * (len(steps) - 1) + [True]
    # What waits at the end is sent at once: the last draft is seen, and then the settled text.
    assert steps[-2:] == [40, 40]
    gaps = [b - a for a, b in zip(server.times, server.times[1:-2], strict=False)]
    assert all(gap >= LEAST_INTERVAL * 0.95 for gap in gaps)


@pytest.mark.parametrize(
    ("encoding", "start", "end"),
    [(Encoding.Utf8, 10, 14), (Encoding.Utf16, 7, 9), (Encoding.Utf32, 7, 8)],
)
async def test_spans_count_what_is_written_as_the_client_does(
    encoding: Encoding, start: int, end: int
) -> None:
    """Before the emoji: CR and LF for a line end, four spaces, and a letter of two bytes or one."""
    server = Notified()
    document = Document("file:///a", 1, "python", "é\r\n", encoding)
    hole = Hole(0, 0, Shape.BLOCK, before="\n   é", after="\n")
    stream = DraftStream(server, document, [hole])  # type: ignore[arg-type]
    stream.on_draft(Draft(("\u00e9🎉",), 1, 1, ((Span(1, 2, 0.5),),)))
    (sent,) = server.sent
    assert sent["text"] == "\r\n   éé🎉\r\n"
    shift = 1 if encoding is Encoding.Utf8 else 0
    assert sent["confidence"] == [{"start": start - shift, "end": end - shift, "confidence": 0.5}]


@pytest.mark.parametrize(
    ("draft", "settled", "words"),
    [
        ("return a", "return a", ""),
        ("return a  \n", "return a", ""),
        ("return a\n\ndef g():", "return a", "shortened"),
        ("return a", "return b", "another candidate"),
        ("...", "", "stays as it is"),
    ],
)
def test_a_fill_that_is_not_the_last_draft_is_explained(
    draft: str, settled: str, words: str
) -> None:
    note = note_on(draft, settled)
    assert words in note
    assert bool(words) is bool(note)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("count" * 17, "count…"),
        ("return " + "count" * 5 + " + 1", "return count… + 1"),
        ("count" * 4, "count" * 4),
        ("a, " * 6, "a, …"),
        (") " * 8, ") …"),
        (" " * 40 + "x", " " * 40 + "x"),
        ("a\n" * 9, "a\n" * 9),
        ("é🎉" * 5 + "\n" + "count" * 5, "é🎉…\ncount…"),
        ("", ""),
    ],
)
def test_runs_of_one_token_are_shown_once(text: str, expected: str) -> None:
    shown, spans = folded(text, [Span(at, at + 1, 0.5) for at in range(len(text))])
    assert shown == expected
    assert "".join(shown[each.start : each.end] for each in spans) == expected
