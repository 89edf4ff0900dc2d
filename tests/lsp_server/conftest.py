"""A test's editor: the real server in a process of its own, with a scripted engine behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from lsprotocol import types as t
from pytest_lsp import LanguageClient, make_test_lsp_client

from lsp_server.document import Document

UTF16 = t.PositionEncodingKind.Utf16
PATIENCE = 20.0


class Editor:
    """One editor window. It keeps its own copy of each document, as an editor does."""

    def __init__(self, client: LanguageClient, journal: Path) -> None:
        self.client = client
        self.journal = journal
        self.documents: dict[str, Document] = {}
        self._forgotten = 0
        self.encoding = UTF16
        self.applied: list[t.ApplyWorkspaceEditParams] = []
        self.refuses: str | None = None
        self.asked: list[t.ShowMessageRequestParams] = []
        self.picks: int | None = None  # which action of a question: None dismisses it
        self.told: dict[str, list[dict[str, Any]]] = {"infill/draft": [], "infill/status": []}

        @client.feature(t.WORKSPACE_APPLY_EDIT)
        def apply(params: t.ApplyWorkspaceEditParams) -> t.ApplyWorkspaceEditResult:
            if self.refuses is None:
                self.applied.append(params)
            return t.ApplyWorkspaceEditResult(self.refuses is None, self.refuses)

        @client.feature(t.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(params: t.ShowMessageRequestParams) -> t.MessageActionItem | None:
            self.asked.append(params)
            assert params.actions
            return None if self.picks is None else params.actions[self.picks]

        for method, messages in self.told.items():
            client.feature(method)(lambda params, to=messages: to.append(params))

    async def initialize(
        self,
        encodings: Sequence[t.PositionEncodingKind] | None = None,
        versioned: bool = True,
        progress: bool = True,
        options: Any = None,
        resolves: bool = True,
    ) -> t.InitializeResult:
        resolve = t.ClientCodeActionResolveOptions(properties=["edit"]) if resolves else None
        capabilities = t.ClientCapabilities(
            general=t.GeneralClientCapabilities(position_encodings=encodings),
            text_document=t.TextDocumentClientCapabilities(
                inline_completion=t.InlineCompletionClientCapabilities(),
                code_action=t.CodeActionClientCapabilities(
                    data_support=True, resolve_support=resolve
                ),
                completion=t.CompletionClientCapabilities(
                    completion_item=t.ClientCompletionItemOptions(
                        documentation_format=[t.MarkupKind.Markdown]
                    )
                ),
            ),
            workspace=t.WorkspaceClientCapabilities(
                configuration=True,
                apply_edit=True,
                workspace_edit=t.WorkspaceEditClientCapabilities(document_changes=versioned),
            ),
            window=t.WindowClientCapabilities(work_done_progress=progress),
        )
        # A test counts what the engine does, asks for completion beside ghost text, and watches.
        options = {"speculate": False, "completion": True, "status": True, **(options or {})}
        params = t.InitializeParams(capabilities, initialization_options=options)
        result = await self.client.initialize_session(params)
        self.encoding = t.PositionEncodingKind(result.capabilities.position_encoding or "utf-16")
        return result

    def open(self, text: str, uri: str = "file:///test.py", language: str = "python") -> str:
        self.documents[uri] = Document(uri, 1, language, text, self.encoding)
        item = t.TextDocumentItem(uri, language, 1, text)
        self.client.text_document_did_open(t.DidOpenTextDocumentParams(item))
        return uri

    def type(self, uri: str, offset: int, text: str, delete: int = 0) -> None:
        """Replace `delete` characters at `offset` by `text`, on both sides."""
        document = self.documents[uri]
        change = t.TextDocumentContentChangePartial(document.range(offset, offset + delete), text)
        self.documents[uri] = document.edited([change], document.version + 1)
        identifier = t.VersionedTextDocumentIdentifier(document.version + 1, uri)
        self.client.text_document_did_change(t.DidChangeTextDocumentParams(identifier, [change]))

    def inline(
        self,
        uri: str,
        offset: int,
        id: str | None = None,
        automatic: bool = False,
        **context: Any,
    ) -> Awaitable[Any]:
        """Already sent when this returns; awaiting it gives the answer."""
        kind = t.InlineCompletionTriggerKind
        params = t.InlineCompletionParams(
            t.InlineCompletionContext(kind.Automatic if automatic else kind.Invoked, **context),
            t.TextDocumentIdentifier(uri),
            self.documents[uri].position(offset),
        )
        return self.send(t.TEXT_DOCUMENT_INLINE_COMPLETION, params, id)

    def completion(self, uri: str, offset: int, id: str | None = None) -> Awaitable[Any]:
        identifier = t.TextDocumentIdentifier(uri)
        params = t.CompletionParams(identifier, self.documents[uri].position(offset))
        return self.send(t.TEXT_DOCUMENT_COMPLETION, params, id)

    def code_actions(
        self, uri: str, start: int, end: int, only: Sequence[str] | None = None
    ) -> Awaitable[Any]:
        params = t.CodeActionParams(
            t.TextDocumentIdentifier(uri),
            self.documents[uri].range(start, end),
            t.CodeActionContext(diagnostics=[], only=only),
        )
        return self.send(t.TEXT_DOCUMENT_CODE_ACTION, params)

    def resolve(self, action: t.CodeAction, id: str | None = None) -> Awaitable[Any]:
        return self.send(t.CODE_ACTION_RESOLVE, action, id)

    def command(self, command: str, arguments: Any, id: str | None = None) -> Awaitable[Any]:
        params = t.ExecuteCommandParams(command, arguments)
        return self.send(t.WORKSPACE_EXECUTE_COMMAND, params, id)

    def send(self, method: str, params: Any, id: str | None = None) -> Awaitable[Any]:
        # Not pytest-lsp's `send_request_async`, which sends when it is awaited.
        future = self.client.protocol.send_request(method, params, msg_id=id)
        return asyncio.wait_for(asyncio.wrap_future(future), PATIENCE)

    def cancel(self, id: str) -> None:
        self.client.cancel_request(t.CancelParams(id=id))

    def with_edit(self, uri: str, edit: t.TextEdit | t.InlineCompletionItem) -> str:
        """The text of `uri` after `edit`."""
        document = self.documents[uri]
        assert edit.range is not None
        start, end = document.offsets(edit.range)
        new = edit.new_text if isinstance(edit, t.TextEdit) else edit.insert_text
        return f"{document.text[:start]}{new}{document.text[end:]}"

    def with_edits(self, uri: str, edits: Sequence[t.TextEdit]) -> str:
        """The text of `uri` after `edits`, which are in order and do not overlap."""
        document = self.documents[uri]
        text = document.text
        for edit in reversed(edits):
            start, end = document.offsets(edit.range)
            text = f"{text[:start]}{edit.new_text}{text[end:]}"
        return text

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the scripted engine did, see tests/scripted.py."""
        events = [json.loads(line) for line in self._journal_lines()[self._forgotten :]]
        return [event for event in events if not names or event["event"] in names]

    def forget_events(self) -> None:
        """So that the next test with this editor counts its own."""
        self._forgotten = len(self._journal_lines())

    def _journal_lines(self) -> list[str]:
        return self.journal.read_text().splitlines() if self.journal.exists() else []

    async def engine_has(self, event: str, count: int = 1) -> None:
        await until(lambda: len(self.events(event)) >= count, f"{count} x {event}")

    def messages(self) -> list[str]:
        return [message.message for message in self.client.messages]

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self.client._server is not None
        return self.client._server

    async def quit(self) -> int:
        """The orderly end; the server's exit code."""
        await self.send(t.SHUTDOWN, None)
        self.client.exit(None)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)


async def shown(editor: Editor, uri: str, offset: int, **how: Any) -> str | None:
    """The buffer once ghost text that came by itself is accepted; None where there is none."""
    answer = await editor.inline(uri, offset, automatic=True, **how)
    if answer is None:
        return None
    (item,) = answer.items
    return editor.with_edit(uri, item)


StartEditor = Callable[..., Awaitable[Editor]]


async def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def server_command(model: str | Path, factory: str | None = "tests.scripted:load") -> list[str]:
    command = [sys.executable, "-m", "lsp_server", "--model", str(model)]
    return [*command, "--factory", factory] if factory else command


@contextlib.asynccontextmanager
async def editors(folder: Path) -> AsyncIterator[StartEditor]:
    """Starts editors; at the end each server must go, and take its engine with it."""
    started: list[Editor] = []

    async def start(
        *fills: dict[str, Any], initialize: bool = True, load: Any = None, **how: Any
    ) -> Editor:
        journal, script = folder / f"journal-{len(started)}", folder / f"{len(started)}.json"
        script.write_text(json.dumps({"fills": fills, "journal": str(journal), "load": load or {}}))
        editor = Editor(make_test_lsp_client(), journal)
        command = server_command(
            how.pop("model", script), how.pop("factory", "tests.scripted:load")
        )
        await editor.client.start_io(*command)
        started.append(editor)
        if initialize:
            await editor.initialize(**how)
        return editor

    yield start
    for editor in started:
        if editor.process.returncode is None:
            with contextlib.suppress(Exception):
                await editor.quit()
        if editor.process.returncode is None:
            editor.process.send_signal(signal.SIGKILL)
        await editor.client.stop()
    for editor in started:
        editor._forgotten = 0
    for pid in {event["pid"] for editor in started for event in editor.events()}:
        await until(lambda pid=pid: not is_running(pid), f"the end of engine process {pid}")


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartEditor]:
    async with editors(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def embedded_model() -> str:
    """The model that ships, or a skip where it is not built yet."""
    folder = Path(__file__).parents[2] / "engine" / "embedded"
    if not list(folder.glob("model*.safetensors")):
        pytest.skip("engine/embedded holds no model yet")
    return "embedded"
