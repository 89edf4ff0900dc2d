"""The user goes on typing while a fill is under way: the answer follows the text or is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.lsp_server.conftest import Editor, editors

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    rule = {"after": "slow=", "text": "late", "steps": 12, "delay": 0.02}
    async with editors(tmp_path_factory.mktemp("meanwhile")) as start:
        yield await start(rule)


# What happens while "late" is being filled at the end of "slow=": (offset, deleted, typed), and
# the buffer once the answer is taken; None if there must be no answer.
MEANWHILE = [
    ("typed its beginning", "slow=\n", [(5, 0, "la")], "slow=late\n"),
    ("typed all of it", "slow=\n", [(5, 0, "late")], None),
    ("typed something else", "slow=\n", [(5, 0, "x")], None),
    ("typed and deleted again", "slow=\n", [(5, 0, "x"), (5, 1, "")], "slow=late\n"),
    ("deleted before", "slow=\n", [(4, 1, "")], None),
    ("edited far below", "slow=\n\nend", [(7, 3, "fin\n")], "slow=late\n\nfin\n"),
    ("edited far above", "top\nslow=\n", [(0, 3, "summit")], "summit\nslow=late\n"),
    ("replaced all", "slow=\n", [(0, 6, "other")], None),
]


@pytest.mark.parametrize(
    ("text", "edits", "after"),
    [case[1:] for case in MEANWHILE],
    ids=[case[0] for case in MEANWHILE],
)
async def test_an_answer_to_an_older_version_is_re_anchored_or_dropped(
    editor: Editor, text: str, edits: list[tuple[int, int, str]], after: str | None
) -> None:
    editor.forget_events()
    uri = editor.open(text)
    offset = text.index("slow=") + 5
    answer = asyncio.ensure_future(editor.inline(uri, offset))
    await editor.engine_has("step")
    for at, delete, typed in edits:
        editor.type(uri, at, typed, delete)
    result = await answer
    if after is None:
        assert result is None
    else:
        assert editor.with_edit(uri, result.items[0]) == after


async def test_a_request_is_about_the_text_at_its_arrival(editor: Editor) -> None:
    """Both messages lie in the pipe when the server reads the first."""
    editor.forget_events()
    uri = editor.open("slow=\n")
    answer = asyncio.ensure_future(editor.inline(uri, 5))
    editor.type(uri, 0, "top\n")
    assert editor.with_edit(uri, (await answer).items[0]) == "top\nslow=late\n"
    assert editor.events("begin")[0]["tail"] == "slow="
