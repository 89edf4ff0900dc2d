"""The code actions: where they are offered, what the model is asked, and what comes of it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from lsp_server.capabilities import ACTIONS
from lsp_server.document import Document
from lsp_server.features.code_actions import PLANS
from lsp_server.holes.hole import Plan
from lsp_server.holes.spot import Spot
from lsp_server.syntax.tree import parse
from tests.lsp_server.action_cases import ALL, Case
from tests.lsp_server.conftest import Editor, StartEditor, editors, until


def plan_of(case: Case) -> Plan | None:
    document = Document("file:///a", 1, case.language, case.text)
    spot = Spot(document, case.start, case.end, parse(document))
    return PLANS[case.action](spot)


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_what_is_offered_asked_and_made(case: Case) -> None:
    plan = plan_of(case)
    assert (plan.title if plan else None) == case.title
    if plan is None:
        return
    assert "▢".join(plan.texts()) == case.asked
    text = case.text
    for hole, new in reversed(list(zip(plan.holes, plan.fitted(case.fills), strict=True))):
        text = text[: hole.start] + new + text[hole.end :]
    assert text == case.after


@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_is_never_at_a_loss(action: str) -> None:
    """At every place of every case, and of what is left when its end is cut off."""
    for case in ALL[:: 3 if action == "fill_holes" else 1]:
        for end in (len(case.text), len(case.text) * 2 // 3, len(case.text) // 3):
            document = Document("file:///a", 1, case.language, case.text[:end])
            tree = parse(document)
            for start in range(0, end + 1, 3):
                plan = PLANS[action](Spot(document, start, min(end, start + 4), tree))
                plan = plan or PLANS[action](Spot(document, start, start, tree, True))
                if plan is not None:
                    check_plan(plan)


def check_plan(plan: Plan) -> None:
    at = 0
    for hole in plan.holes:
        assert at <= hole.start <= hole.end <= len(plan.document.text)
        at = hole.end
    assert len(plan.texts()) == len(plan.holes) + 1
    assert plan.fitted(("",) * len(plan.holes)) == ("",) * len(plan.holes)


@pytest.mark.parametrize("spot", ["def f():\n    ‸\n", "x = ‸\n", "f(‸)\n", "f(a, ‸)\n", "‸"])
def test_the_light_bulb_shines_where_something_is_missing(spot: str) -> None:
    assert automatic_gap(spot)


@pytest.mark.parametrize("spot", ["x‸ = 1\n", "x = 1‸\n", "# x = ‸\n", "'x = ‸'\n", "x = ‸y\n"])
def test_the_light_bulb_is_dark_elsewhere(spot: str) -> None:
    assert not automatic_gap(spot)


def automatic_gap(marked: str) -> bool:
    document = Document("file:///a", 1, "python", marked.replace("‸", ""))
    spot = Spot(document, marked.index("‸"), marked.index("‸"), parse(document), automatic=True)
    return PLANS["fill_gap"](spot) is not None


def test_a_long_document_is_sent_in_part() -> None:
    text = "x = 1\n" * 40_000
    document = Document("file:///a", 1, "python", f"{text}def f():\n    pass\n{text}")
    spot = Spot(document, len(text), len(text), parse(document))
    plan = PLANS["fill_body"](spot)
    assert plan is not None
    before, after = plan.texts()
    assert before.endswith("def f():\n    ")
    assert len(before) < 60_000
    assert len(after) < 20_000
    assert plan.fitted(("return 1",)) == ("return 1",)


def path_of(case: Case) -> str:
    return f"/{ALL.index(case)}.x"


OFFERED = [case for case in ALL if case.title is not None]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    rules = [{"path": path_of(case), "texts": case.fills} for case in OFFERED]
    async with editors(tmp_path_factory.mktemp("actions")) as start:
        yield await start(*rules)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", OFFERED, ids=[case.name for case in OFFERED])
async def test_through_the_server(editor: Editor, case: Case) -> None:
    uri = editor.open(case.text, f"file://{path_of(case)}", case.language)
    offered = await editor.code_actions(uri, case.start, case.end)
    (action,) = (each for each in offered if each.title == case.title)
    assert action.kind == ACTIONS[case.action].kind
    assert (action.edit, action.command) == (None, None)
    resolved = await editor.resolve(action)
    (change,) = resolved.edit.document_changes
    assert (change.text_document.uri, change.text_document.version) == (uri, 1)
    assert editor.with_edits(uri, change.edits) == case.after


ONLY = [
    ([], 0),
    (["refactor"], 2),
    (["refactor.rewrite.infill"], 2),
    (["refactor.rewrite.infill.body"], 1),
    (["refactor.rewrite.infill.selection"], 0),
    (["refactor.rewrite.inf"], 0),
    (["quickfix"], 0),
    (["quickfix", "refactor.rewrite"], 2),
]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("only", "count"), ONLY)
async def test_only_kinds_asked_for_are_offered(
    editor: Editor, only: list[str], count: int
) -> None:
    uri = editor.open("def f():\n    \n")
    assert len(await editor.code_actions(uri, 13, 13, only) or []) == count


async def test_a_client_that_cannot_resolve_gets_a_command(start: StartEditor) -> None:
    editor = await start({"text": "return a"}, resolves=False)
    uri = editor.open("def f(a):\r\n    pass\r\n")
    action = (await editor.code_actions(uri, 6, 6))[0]
    # lsprotocol takes an action with a command for a command, and makes a string of what it has.
    command = ast.literal_eval(action.command)
    assert command["command"] == "infill.fillBody"
    await editor.command(command["command"], command["arguments"])
    (edit,) = editor.applied
    assert edit.label == "Fill the body of `f`"
    (change,) = edit.edit.document_changes
    assert change.text_document.version == 1
    assert editor.with_edits(uri, change.edits) == "def f(a):\r\n    return a\r\n"


async def test_a_command_bound_to_a_key_needs_no_version(start: StartEditor) -> None:
    editor = await start({"text": "1"})
    uri = editor.open("x = ")
    await editor.command("infill.fillGap", [{"uri": uri, "start": [0, 4], "end": [0, 4]}])
    (edit,) = editor.applied
    assert editor.with_edits(uri, edit.edit.document_changes[0].edits) == "x = 1"


@pytest.mark.parametrize(("line", "choices"), [("c = Color.", [["RED", "BLUE"]]), ("c = ", [None])])
async def test_an_enum_s_member_is_one_of_its_own(
    start: StartEditor, line: str, choices: list[list[str] | None]
) -> None:
    editor = await start({"text": "BLUE"})
    enum = "class Color(Enum):\n    RED = 1\n    BLUE = 2\n"
    uri = editor.open(f"{enum}{line}\n")
    at = [3, len(line)]
    await editor.command("infill.fillGap", [{"uri": uri, "start": at, "end": at}])
    (edit,) = editor.applied
    made = editor.with_edits(uri, edit.edit.document_changes[0].edits)
    assert made == f"{enum}{line}BLUE\n"
    assert editor.events("begin")[-1]["choices"] == choices


async def test_what_a_command_cannot_do_is_said(start: StartEditor) -> None:
    editor = await start({"text": "1"})
    uri = editor.open("x = 1")
    here = {"uri": uri, "start": [0, 1], "end": [0, 1]}
    failures = [
        ("infill.fillBody", [here], t.LSPErrorCodes.RequestFailed),
        ("infill.fillGap", [{**here, "version": 7}], t.LSPErrorCodes.ContentModified),
        ("infill.fillGap", [{**here, "uri": "file:///nowhere"}], t.LSPErrorCodes.ContentModified),
        ("infill.fillGap", [], t.ErrorCodes.InvalidParams),
        ("infill.fillGap", None, t.ErrorCodes.InvalidParams),
        ("infill.fillGap", [{"uri": uri}], t.ErrorCodes.InvalidParams),
        ("infill.fillGap", [here, here], t.ErrorCodes.InvalidParams),
        ("infill.fillGap", ["x"], t.ErrorCodes.InvalidParams),
        ("rm", [here], t.ErrorCodes.InvalidParams),
    ]
    for command, arguments, code in failures:
        with pytest.raises(JsonRpcException) as caught:
            await editor.command(command, arguments)
        assert caught.value.code == code, command
    assert editor.applied == []


async def test_cancelling_a_command_stops_the_engine(start: StartEditor) -> None:
    editor = await start({"text": "1", "steps": 500, "delay": 0.01})
    uri = editor.open("x = ")
    here = {"uri": uri, "start": [0, 4], "end": [0, 4]}
    answer = asyncio.ensure_future(editor.command("infill.fillGap", [here], "mine"))
    await editor.engine_has("step")
    editor.cancel("mine")
    with pytest.raises(JsonRpcException) as caught:
        await answer
    assert caught.value.code == t.LSPErrorCodes.RequestCancelled
    await editor.engine_has("cancelled")
    assert editor.applied == []


async def test_an_edit_that_the_editor_refuses_is_an_error(start: StartEditor) -> None:
    editor = await start({"text": "1"})
    editor.refuses = "read only"
    uri = editor.open("x = ")
    with pytest.raises(JsonRpcException, match="read only"):
        await editor.command("infill.fillGap", [{"uri": uri, "start": [0, 4], "end": [0, 4]}])


async def test_a_hole_with_nothing_to_put_in_stays(start: StartEditor) -> None:
    editor = await start({"texts": ["1", " "]})
    text = "def f():\n    x = ...\n    y = ...\n"
    uri = editor.open(text)
    action = (await editor.code_actions(uri, 3, 3))[0]
    resolved = await editor.resolve(action)
    (change,) = resolved.edit.document_changes
    assert editor.with_edits(uri, change.edits) == text.replace("...", "1", 1)
    await until(lambda: any("1 of 2 holes" in each for each in editor.messages()), "a word of it")


async def test_a_sound_file_is_not_broken(start: StartEditor) -> None:
    editor = await start({"text": "return (a"})
    uri = editor.open("def f(a):\n    pass\n")
    action = (await editor.code_actions(uri, 6, 6))[0]
    assert (await editor.resolve(action)).edit is None
    await until(lambda: any("would break" in each for each in editor.messages()), "a word of it")


async def test_holes_follow_an_edit_elsewhere_and_die_by_one_between(start: StartEditor) -> None:
    editor = await start({"texts": ["1", "2"], "steps": 30, "delay": 0.01})
    text = "def f():\n    x = ...\n    y = ...\n"
    uri = editor.open(text)
    action = (await editor.code_actions(uri, 3, 3))[0]
    answer = asyncio.ensure_future(editor.resolve(action))
    await editor.engine_has("step")
    editor.type(uri, 0, "import os\n")
    (change,) = (await answer).edit.document_changes
    assert change.text_document.version == 2
    after = "import os\ndef f():\n    x = 1\n    y = 2\n"
    assert editor.with_edits(uri, change.edits) == after
    action = (await editor.code_actions(uri, 13, 13))[0]
    answer = asyncio.ensure_future(editor.resolve(action))
    await editor.engine_has("begin", 2)
    editor.type(uri, editor.documents[uri].text.index("..."), "3", 3)
    with pytest.raises(JsonRpcException) as caught:
        await answer
    assert caught.value.code == t.LSPErrorCodes.ContentModified
