"""What may hold secrets leaves by no door. The doors are counted: a new one has to be tried."""

from __future__ import annotations

import ast
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as t
from pygls.exceptions import JsonRpcException

from engine.api import FillRequest, Snippet
from lsp_server import capabilities
from lsp_server.capabilities import ACTIONS
from lsp_server.secrets import Withheld, cleared
from lsp_server.server import create_server
from tests.lsp_server.conftest import Editor, StartEditor

PACKAGE = Path(__file__).parents[2] / "lsp_server"
CODE = "def f(a):\n    # TODO: add one\n    x = ...\n    y = ...\n"
PLAIN = "file:///home/me/a.py"
SECRETS = ("file:///home/me/secrets/a.py", "file:///home/me/.env", "untitled:prod.env")
AT = len("def f(a):\n    # TODO")

Door = Callable[[Editor, str], Awaitable[Any]]


def data_of(editor: Editor, uri: str, name: str) -> dict[str, Any]:
    at = editor.documents[uri].position(AT)
    place = [at.line, at.character]
    return {"action": name, "uri": uri, "version": 1, "start": place, "end": place}


async def every_action(editor: Editor, uri: str) -> list[t.CodeAction] | None:
    offered = await editor.code_actions(uri, AT, AT)
    for each in offered or ():
        await editor.resolve(each)
    return offered  # type: ignore[no-any-return]


async def resolved(editor: Editor, uri: str) -> None:
    """Also what has never been offered there."""
    await editor.resolve(t.CodeAction("made up", data=data_of(editor, uri, "do_todo")))


async def commands(editor: Editor, uri: str) -> None:
    for name, action in ACTIONS.items():
        if name in ("do_todo", "fill_holes"):
            await editor.command(action.command, [data_of(editor, uri, name)])


async def fill_request(editor: Editor, uri: str) -> None:
    at = {"line": 2, "character": 8}
    hole = {"start": at, "end": at}
    await editor.send(capabilities.FILL, {"textDocument": {"uri": uri}, "holes": [hole]})


# Every method that may lead to the engine. None: it carries no text of a document to it.
DOORS: dict[str, Door | None] = {
    t.TEXT_DOCUMENT_INLINE_COMPLETION: lambda editor, uri: editor.inline(uri, len(CODE)),
    t.TEXT_DOCUMENT_COMPLETION: lambda editor, uri: editor.completion(uri, len(CODE)),
    t.TEXT_DOCUMENT_CODE_ACTION: every_action,
    t.CODE_ACTION_RESOLVE: resolved,
    t.WORKSPACE_EXECUTE_COMMAND: commands,
    capabilities.FILL: fill_request,
    t.COMPLETION_ITEM_RESOLVE: None,  # shows what the item holds already
    t.INITIALIZE: None,
    t.INITIALIZED: None,
    t.WORKSPACE_DID_CHANGE_CONFIGURATION: None,
    t.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: None,
    # What is saved goes into the index, which asks the gate for every file.
    t.TEXT_DOCUMENT_DID_SAVE: None,
    t.WORKSPACE_DID_CHANGE_WATCHED_FILES: None,
}
SAYS_SO = {t.CODE_ACTION_RESOLVE, t.WORKSPACE_EXECUTE_COMMAND, capabilities.FILL}


def test_every_method_is_a_door_that_is_tried() -> None:
    features = create_server().protocol.fm
    known = set(features.features) | {t.WORKSPACE_EXECUTE_COMMAND}
    # Notifications about documents are taken by the protocol itself, and answered with nothing.
    assert known == set(DOORS)
    assert set(features.commands) == set(capabilities.COMMANDS)


@pytest.mark.parametrize("method", [name for name, door in DOORS.items() if door])
async def test_secrets_leave_by_no_door(start: StartEditor, method: str) -> None:
    editor = await start({"text": "1"})
    door = DOORS[method]
    assert door is not None
    for uri in SECRETS:
        editor.open(CODE, uri)
        if method in SAYS_SO:
            with pytest.raises(JsonRpcException, match="may hold secrets"):
                await door(editor, uri)
        else:
            assert await door(editor, uri) is None
    assert not editor.events("begin")
    editor.open(CODE, PLAIN)
    await door(editor, PLAIN)
    assert editor.events("begin")


async def test_who_asks_by_hand_is_told_once(start: StartEditor) -> None:
    editor = await start({"text": "1"})
    uri = editor.open("x = \n", "file:///home/me/.env", "dotenv")
    for _ in range(2):
        assert await editor.inline(uri, 4) is None
    assert await editor.inline(uri, 4, automatic=True) is None
    told = [each for each in editor.messages() if "secrets" in each]
    assert told == ["infill: .env may hold secrets, so none of its text is given to the model"]


REQUEST = FillRequest(("a", "b"), path="/home/me/a.py")


@pytest.mark.parametrize(
    ("request_", "sources"),
    [
        (REQUEST, ("file:///home/me/.env",)),
        (REQUEST, ("file:///home/me/a.py", "file:///home/me/secrets/b.py")),
        (REQUEST, ("vscode-notebook-cell:/home/me/.ssh/a.ipynb#W0",)),
        (REQUEST, ("git:/home/me/.env?%7B%22ref%22%3A1%7D",)),
        (REQUEST, ("/home/me/c#/.env",)),
        (FillRequest(("a", "b"), path="C:\\me\\.env"), ("untitled:1",)),
    ],
)
def test_the_gate(request_: FillRequest, sources: tuple[str, ...]) -> None:
    with pytest.raises(Withheld, match="may hold secrets"):
        cleared(request_, sources)
    assert cleared(request_, sources, anyway=True).request == request_


def test_context_is_left_out() -> None:
    plain, secret = Snippet("p", "/home/me/b.py"), Snippet("s", "/home/me/a#b/.env")
    request = FillRequest(("a", "b"), context=(secret, plain))
    assert cleared(request, ("file:///a.py",)).request.context == (plain,)


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)


def test_nothing_else_hands_text_to_the_engine() -> None:
    """`HostEngine.submit` and `fill` are called by the gate alone, with a request of its own."""
    engines, makers = set(), set()
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree, name = ast.parse(text), path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner = ast.unparse(node.func.value)
            if node.func.attr in ("submit", "fill") and owner.endswith("engine"):
                engines.add(name)
        if "Cleared" in calls(tree):
            makers.add(name)
    assert engines == {"secrets.py"}
    assert makers == {"secrets.py"}
