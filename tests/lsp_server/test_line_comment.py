"""What makes the rest of a line a comment: one table, whoever asks."""

from __future__ import annotations

import pytest

from lsp_server.document import Document
from lsp_server.holes.placeholders import items_only
from lsp_server.holes.spot import Spot
from lsp_server.languages.comments import line_comment

COMMENTS = {
    "python": "#", "ruby": "#", "shellscript": "#", "javascript": "//", "go": "//", "rust": "//",
    "c": "//", "lua": "--", "css": "//", "yaml": "#", "julia": "#", "r": "#", "dockerfile": "#",
    "sql": "--", "haskell": "--", "clojure": ";", "latex": "%", "kotlin": "//", "swift": "//",
    "csharp": "//", "klingon": "//",
}  # fmt: skip


@pytest.mark.parametrize(("language", "comment"), COMMENTS.items())
def test_the_line_comment_of_a_language(language: str, comment: str) -> None:
    assert line_comment(language) == comment


@pytest.mark.parametrize(("language", "comment"), COMMENTS.items())
def test_a_todo_is_found_behind_it(language: str, comment: str) -> None:
    text = f"{comment} TODO: sum them up\n...\n"
    document = Document(f"file:///a.{language}", 1, language, text)
    items = items_only(Spot(document, 0, len(text), None), 0, len(text))
    assert items is not None
    assert [each.kind for each in items] == ["todo", "placeholder"]
