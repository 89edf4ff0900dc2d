"""Every request has exactly one answer: overtaken, cancelled, stale, without an engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from tests.lsp_server.conftest import (
    Editor,
    StartEditor,
    is_running,
    until,
)

SLOW = {"after": "slow=", "text": "late", "steps": 500, "delay": 0.01}
CANCELLED = t.LSPErrorCodes.RequestCancelled
FILL = {"text": "fill"}


async def code_of(answer: Any) -> int:
    with pytest.raises(JsonRpcException) as caught:
        await answer
    return caught.value.code


async def stopped(editor: Editor, fill: int = 1) -> None:
    """The engine has given up fill number `fill` between two of its steps."""
    await until(
        lambda: fill in [event["fill"] for event in editor.events("cancelled")],
        f"the cancelling of fill {fill}",
    )
    assert len(editor.events("step")) < SLOW["steps"]


async def test_capabilities(start: StartEditor) -> None:
    editor = await start(initialize=False)
    result = await editor.initialize([t.PositionEncodingKind.Utf8, t.PositionEncodingKind.Utf16])
    capabilities = result.capabilities
    assert capabilities.position_encoding == t.PositionEncodingKind.Utf8
    assert capabilities.text_document_sync.change == t.TextDocumentSyncKind.Incremental
    assert capabilities.text_document_sync.open_close
    assert capabilities.inline_completion_provider == t.InlineCompletionOptions()
    assert capabilities.completion_provider.resolve_provider
    assert capabilities.completion_provider.trigger_characters is None
    assert capabilities.code_action_provider.resolve_provider
    assert all(
        kind.startswith("refactor.rewrite.infill.")
        for kind in capabilities.code_action_provider.code_action_kinds
    )


async def test_initialize_does_not_wait_for_the_model(start: StartEditor) -> None:
    editor = await start(load={"seconds": 600})
    await editor.engine_has("load")
    uri = editor.open("x = ")
    assert await editor.code_actions(uri, 4, 4)


async def test_a_newer_request_answers_the_older_null_and_stops_its_work(
    start: StartEditor,
) -> None:
    editor = await start(SLOW, FILL)
    uri = editor.open("slow=")
    older = asyncio.ensure_future(editor.inline(uri, 5))
    await editor.engine_has("step")
    newer = asyncio.ensure_future(editor.inline(uri, 2))
    assert await older is None
    assert (await newer).items[0].insert_text == "fill"
    await stopped(editor)


async def test_requests_of_another_document_are_left_alone(start: StartEditor) -> None:
    editor = await start({**SLOW, "steps": 20}, FILL)
    one, other = editor.open("slow=", "file:///1"), editor.open("x", "file:///2")
    first = asyncio.ensure_future(editor.inline(one, 5))
    assert (await editor.inline(other, 1)).items[0].insert_text == "fill"
    assert (await first).items[0].insert_text == "late"


async def test_equal_requests_share_one_fill(start: StartEditor) -> None:
    editor = await start({**SLOW, "steps": 20})
    uri = editor.open("slow=")
    inline, completion = await asyncio.gather(editor.inline(uri, 5), editor.completion(uri, 5))
    assert inline.items[0].insert_text == "late"
    assert completion.items[0].text_edit.new_text == "late"
    assert len(editor.events("begin")) == 1


@pytest.mark.parametrize("method", ["inline", "completion", "resolve"])
async def test_the_clients_cancel_stops_the_engine(start: StartEditor, method: str) -> None:
    editor = await start(SLOW, FILL)
    uri = editor.open("slow=")
    if method == "resolve":
        (action,) = await editor.code_actions(uri, 5, 5)
        answer = asyncio.ensure_future(editor.resolve(action, "mine"))
    else:
        answer = asyncio.ensure_future(getattr(editor, method)(uri, 5, "mine"))
    await editor.engine_has("step")
    editor.cancel("mine")
    assert await code_of(answer) == CANCELLED
    await stopped(editor)
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"


async def test_a_cancel_of_nothing_is_harmless(start: StartEditor) -> None:
    editor = await start(FILL)
    editor.cancel("never sent")
    uri = editor.open("x")
    await editor.inline(uri, 1, "done")
    editor.cancel("done")
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"


async def test_an_answer_for_a_closed_document_is_dropped(start: StartEditor) -> None:
    editor = await start({**SLOW, "steps": 12})
    uri = editor.open("slow=")
    answer = asyncio.ensure_future(editor.inline(uri, 5))
    await editor.engine_has("step")
    editor.client.text_document_did_close(
        t.DidCloseTextDocumentParams(t.TextDocumentIdentifier(uri))
    )
    assert await answer is None
    assert await editor.inline(uri, 5) is None


async def test_rapid_typing_gives_no_stale_answer(start: StartEditor) -> None:
    text = "value = compute(the_thing)"
    editor = await start(*({"after": text[:n], "text": text[n:], "steps": 3, "delay": 0.005}
                           for n in range(len(text) - 1, -1, -1)))  # fmt: skip
    uri = editor.open("")
    answers = []
    for offset, character in enumerate(text[:-1]):
        editor.type(uri, offset, character)
        answers.append(asyncio.ensure_future(editor.inline(uri, offset + 1)))
        await asyncio.sleep(0.005)
    *older, last = await asyncio.gather(*answers)
    assert editor.with_edit(uri, last.items[0]) == text
    # An answer that came in time was for the text at that time, and begins where the cursor was.
    for offset, answer in enumerate(older, 1):
        for item in answer.items if answer else []:
            start_of_range = item.range.start.character
            assert text[start_of_range:].startswith(item.insert_text)
            assert start_of_range == offset
    assert len(editor.events("begin")) == len(editor.events("end") + editor.events("cancelled"))


async def test_an_action_that_is_not_ours_is_refused(start: StartEditor) -> None:
    editor = await start()
    for data in (None, 3, {"action": "rm"}, {"action": "fill_at_cursor", "version": 1}):
        action = t.CodeAction("x", data=data)
        assert await code_of(editor.resolve(action)) == t.LSPErrorCodes.RequestFailed


async def test_a_stale_code_action_is_refused(start: StartEditor) -> None:
    editor = await start(SLOW, FILL)
    uri = editor.open("slow=\nb\n")
    (old,) = await editor.code_actions(uri, 6, 6)
    editor.type(uri, 0, "x")
    assert await code_of(editor.resolve(old)) == t.LSPErrorCodes.ContentModified
    (running,) = await editor.code_actions(uri, 6, 6)
    answer = asyncio.ensure_future(editor.resolve(running))
    await editor.engine_has("step")
    editor.type(uri, 4, "er", 3)
    editor.type(uri, 0, "y")
    answer.cancel()
    assert await code_of(editor.resolve(running)) == t.LSPErrorCodes.ContentModified


@pytest.mark.parametrize("versioned", [True, False])
async def test_an_edit_is_versioned_where_the_client_can(
    start: StartEditor, versioned: bool
) -> None:
    editor = await start(FILL, versioned=versioned)
    uri = editor.open("x = ")
    editor.type(uri, 0, "y")
    (action,) = await editor.code_actions(uri, 5, 5)
    edit = (await editor.resolve(action)).edit
    if versioned:
        assert edit.document_changes[0].text_document.version == 2
        assert edit.changes is None
    else:
        assert editor.with_edit(uri, edit.changes[uri][0]) == "yx = fill"
        assert edit.document_changes is None


async def test_progress_of_a_code_action_can_be_stopped(start: StartEditor) -> None:
    editor = await start(SLOW, FILL)
    uri = editor.open("slow=")
    (action,) = await editor.code_actions(uri, 5, 5)
    answer = asyncio.ensure_future(editor.resolve(action))
    reports = editor.client.progress_reports
    await until(lambda: any(len(each) > 1 for each in reports.values()), "a report")
    ((token, (begin, report, *_)),) = reports.items()
    assert (begin.kind, begin.cancellable) == ("begin", True)
    assert report.message.startswith("step ")
    editor.client.window_work_done_progress_cancel(t.WorkDoneProgressCancelParams(token))
    assert await code_of(answer) == CANCELLED
    await stopped(editor)
    await until(lambda: reports[token][-1].kind == "end", "the end")


async def test_progress_of_a_request_uses_the_clients_token(start: StartEditor) -> None:
    editor = await start({**SLOW, "steps": 3})
    uri = editor.open("slow=")
    params = t.CompletionParams(
        t.TextDocumentIdentifier(uri), t.Position(0, 5), work_done_token="mine"
    )
    await editor.send(t.TEXT_DOCUMENT_COMPLETION, params)
    kinds = [each.kind for each in editor.client.progress_reports["mine"]]
    assert kinds == ["begin", "report", "report", "report", "end"]


async def test_a_killed_engine_is_told_once_and_another_one_asked(start: StartEditor) -> None:
    editor = await start({**SLOW, "steps": 40}, FILL)
    uri = editor.open("slow=")
    for fills in (2, 5):
        assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
        answer = asyncio.ensure_future(editor.inline(uri, 5))
        await editor.engine_has("begin", fills)
        os.kill(editor.events("begin")[-1]["pid"], signal.SIGKILL)
        assert (await answer).items[0].insert_text == "late"
    (message,) = editor.messages()
    assert "SIGKILL" in message


async def test_a_key_typed_as_the_engine_dies_has_its_fill(start: StartEditor) -> None:
    editor = await start({"after": "bad", "exit": 3, "delay": 0.3}, FILL)
    uri = editor.open("bad")
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
    older = asyncio.ensure_future(editor.inline(uri, 3))
    await editor.engine_has("begin", 2)
    editor.type(uri, 3, "ly")
    newer = asyncio.ensure_future(editor.inline(uri, 5))
    assert await older is None
    assert (await newer).items[0].insert_text == "fill"
    assert len(editor.events("load")) == 2


async def test_an_engine_that_exits_is_no_problem_of_the_server(start: StartEditor) -> None:
    editor = await start({"after": "bad", "exit": 3}, FILL)
    uri = editor.open("bad")
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
    (action,) = await editor.code_actions(uri, 3, 3)
    assert await code_of(editor.resolve(action)) == t.LSPErrorCodes.RequestFailed
    assert len(editor.events("begin")) == 1 + 2, "once more, and not a third time"
    assert await editor.inline(uri, 3) is None
    assert len(editor.events("begin")) == 1 + 2 + 1
    assert (await editor.inline(uri, 1)).items[0].insert_text == "fill"
    (message,) = editor.messages()
    assert "exit status 3" in message
    assert "the script says exit" in message


async def test_a_server_with_a_hanging_engine_answers(start: StartEditor) -> None:
    editor = await start({"after": "slow=", "hang": True})
    uri = editor.open("slow=")
    first = asyncio.ensure_future(editor.inline(uri, 5, "first"))
    await editor.engine_has("begin")
    second = asyncio.ensure_future(editor.inline(uri, 1, "second"))
    assert await first is None
    assert await editor.code_actions(uri, 5, 5)
    editor.cancel("second")
    assert await code_of(second) == CANCELLED
    assert await editor.quit() == 0


MISSING = "no model mine here: run `infill-ls pull mine`, or set infill.model"
CAUSES = [
    ({"kind": "model_missing", "message": MISSING}, MISSING),
    ({"kind": "out_of_memory", "message": "8 GB are not enough"}, "8 GB are not enough"),
]


@pytest.mark.parametrize(("failure", "words"), CAUSES, ids=["model missing", "out of memory"])
async def test_one_message_per_cause_then_null(
    start: StartEditor, failure: dict[str, str], words: str
) -> None:
    editor = await start(load={"error": failure})
    uri = editor.open("x = ")
    for offset in (4, 3):
        assert await editor.inline(uri, offset) is None
        assert await editor.completion(uri, offset) is None
    assert editor.messages() == [f"infill: {words}"]


async def test_the_real_engine_without_its_model(start: StartEditor, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    editor = await start(model=nowhere, factory=None)
    uri = editor.open("x = ")
    assert await editor.inline(uri, 4) is None
    (message,) = editor.messages()
    assert str(nowhere) in message


async def test_settings(start: StartEditor) -> None:
    options = {"steps": 2, "maxTokens": "many", "colour": "red"}
    editor = await start({"text": "fill", "steps": 9}, options=options)
    uri = editor.open("x = ")
    await editor.inline(uri, 4)
    assert len(editor.events("step")) == 2
    settings = {"infill": {"steps": 4, "colour": "blue", "completion": False}, "other": 1}
    editor.client.workspace_did_change_configuration(t.DidChangeConfigurationParams(settings))
    await editor.inline(uri, 3)
    assert len(editor.events("step")) == 2 + 4
    assert await editor.completion(uri, 4) is None
    about_tokens, about_colour = sorted(editor.messages(), reverse=True)[:2]
    assert "infill.colour" in about_tokens + about_colour
    assert "infill.maxTokens" in about_tokens + about_colour
    assert len(editor.messages()) == 2


async def test_settings_are_pulled_where_the_client_keeps_them(start: StartEditor) -> None:
    editor = await start({"text": "fill", "steps": 9})
    editor.client.set_configuration({"infill": {"steps": 3}})
    editor.client.workspace_did_change_configuration(t.DidChangeConfigurationParams(None))
    uri = editor.open("x = ")
    await editor.code_actions(uri, 0, 0)
    await asyncio.sleep(0.1)
    await editor.inline(uri, 4)
    assert len(editor.events("step")) == 3


async def test_another_model_is_another_engine(start: StartEditor, tmp_path: Path) -> None:
    editor = await start({"text": "one"})
    uri = editor.open("x = ")
    assert (await editor.inline(uri, 4)).items[0].insert_text == "one"
    first = editor.events("load")[0]["pid"]
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"fills": [{"text": "two"}]}))
    settings = {"infill": {"model": str(other)}}
    editor.client.workspace_did_change_configuration(t.DidChangeConfigurationParams(settings))
    assert (await editor.inline(uri, 4)).items[0].insert_text == "two"
    await until(lambda: not is_running(first), "the first engine's end")


async def test_a_fill_under_way_is_asked_of_the_new_model(
    start: StartEditor, tmp_path: Path
) -> None:
    editor = await start(SLOW)
    uri = editor.open("slow=")
    answer = asyncio.ensure_future(editor.inline(uri, 5))
    await editor.engine_has("step")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"fills": [{"text": "two"}]}))
    settings = {"infill": {"model": str(other)}}
    editor.client.workspace_did_change_configuration(t.DidChangeConfigurationParams(settings))
    assert (await answer).items[0].insert_text == "two"
    assert editor.messages() == []


@pytest.mark.parametrize("how", ["shutdown", "stdin", "SIGINT", "SIGTERM", "SIGKILL", "exit alone"])
async def test_however_the_server_ends_its_engine_goes_too(start: StartEditor, how: str) -> None:
    editor = await start(SLOW)
    uri = editor.open("slow=")
    answer = asyncio.ensure_future(editor.inline(uri, 5))
    await editor.engine_has("step")
    (engine,) = {event["pid"] for event in editor.events()}
    match how:
        case "shutdown":
            assert await editor.quit() == 0
            assert await code_of(answer) == CANCELLED
        case "stdin":
            assert editor.process.stdin is not None
            editor.process.stdin.close()
            assert await editor.process.wait() == 0
        case "exit alone":
            editor.client.exit(None)
            assert await editor.process.wait() == 1
        case _:
            editor.process.send_signal(getattr(signal, how))
            assert await editor.process.wait() != 0
    answer.cancel()
    await until(lambda: not is_running(engine), "the engine's end")


async def test_with_the_model_that_ships(start: StartEditor, embedded_model: str) -> None:
    editor = await start(model=embedded_model, factory=None)
    editor.picks = 0  # where it is not confident, it asks
    uri = editor.open("def add(a, b):\n    return \n\n\nprint(add(1, 2))\n")
    (action,) = await editor.code_actions(uri, 26, 26)
    resolved = await editor.resolve(action)
    inline = await editor.inline(uri, 26)
    if inline is not None:
        (change,) = resolved.edit.document_changes
        assert inline.items[0].insert_text == change.edits[0].new_text
    assert not [message for message in editor.messages() if "nothing to put" not in message]
