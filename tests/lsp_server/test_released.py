"""The masked models of the catalog behind the language server: pulled, loaded in a host, asked for
ghost text and for code actions. At tiny size; what they write is WORD."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.checkpoints.hub import no_other_hub
from tests.engine.checkpoints.released import BY_NAME, WORD, pulled
from tests.lsp_server.conftest import Editor, StartEditor

TEXT = "def add(a, b):\n    return \n\n\nprint(add(1, 2))\n"
AT = 26
LOADING = 120.0  # seconds


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with no_other_hub(monkeypatch, tmp_path):
        yield


async def is_loaded(editor: Editor) -> None:
    """A host that loads torch takes longer on a busy machine than an answer may take."""
    deadline = time.monotonic() + LOADING
    while not any(each.state == "ready" for each in editor.told["infill/status"]):
        assert time.monotonic() < deadline, editor.told["infill/status"]
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", BY_NAME)
async def test_it_is_asked_by_an_editor(name: str, start: StartEditor) -> None:
    pulled(name)
    editor = await start(model=name, factory=None)
    editor.picks = 0  # where it is not confident, it asks
    await is_loaded(editor)
    uri = editor.open(TEXT)
    inline = await editor.inline(uri, AT)
    for item in inline.items:
        assert WORD in item.insert_text
        assert "<" not in item.insert_text
        assert editor.with_edit(uri, item).startswith(TEXT[:AT])
    action = (await editor.code_actions(uri, AT, AT))[0]
    resolved = await editor.resolve(action)
    (change,) = resolved.edit.document_changes
    changed = editor.with_edits(uri, change.edits)
    assert changed.startswith(TEXT[:15])
    assert WORD in changed.removeprefix(TEXT[:AT])
    assert not editor.messages()
