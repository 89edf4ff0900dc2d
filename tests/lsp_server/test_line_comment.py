"""What makes the rest of a line a comment: one table, whoever asks."""

from __future__ import annotations

import pytest

from lsp_server import languages
from lsp_server.document import Document
from lsp_server.holes.placeholders import items_only
from lsp_server.holes.spot import Spot

COMMENTS = {
    "python": "#", "ruby": "#", "shellscript": "#", "javascript": "//", "go": "//", "rust": "//",
    "c": "//", "lua": "--", "css": "//", "yaml": "#", "julia": "#", "r": "#", "dockerfile": "#",
    "sql": "--", "haskell": "--", "clojure": ";", "latex": "%", "kotlin": "//", "swift": "//",
    "csharp": "//", "starlark": "#", "gdscript": "#", "nim": "#", "fsharp": "//", "toml": "#",
    "makefile": "#", "powershell": "#", "prolog": "%", "scheme": ";", "dockercompose": "#",
    "klingon": "//",
}  # fmt: skip


@pytest.mark.parametrize(("language", "comment"), COMMENTS.items())
def test_the_line_comment_of_a_language(language: str, comment: str) -> None:
    assert languages.of(language).comment == comment


@pytest.mark.parametrize(
    ("language", "comment"),
    {
        "c": "/* TODO: {}\n */", "sql": "/* TODO: {}\n */", "klingon": "/* TODO: {}\n */",
        "haskell": "{{- TODO: {}\n -}}", "powershell": "<# TODO: {}\n #>",
        "racket": "#| TODO: {}\n |#", "nim": "#[ TODO: {}\n ]#", "matlab": "%{{\nTODO: {}\n%}}",
        "fsharp": "(* TODO: {}\n *)",
    }.items(),
)  # fmt: skip
def test_a_todo_is_found_in_a_comment_of_several_lines(language: str, comment: str) -> None:
    text = f"{comment.format('sum them up')}\n...\n"
    document = Document(f"file:///a.{language}", 1, language, text)
    items = items_only(Spot(document, 0, len(text), None), 0, len(text))
    assert items is not None
    assert [each.kind for each in items] == ["todo", "placeholder"]


@pytest.mark.parametrize(("language", "comment"), COMMENTS.items())
def test_a_todo_is_found_behind_it(language: str, comment: str) -> None:
    text = f"{comment} TODO: sum them up\n...\n"
    document = Document(f"file:///a.{language}", 1, language, text)
    items = items_only(Spot(document, 0, len(text), None), 0, len(text))
    assert items is not None
    assert [each.kind for each in items] == ["todo", "placeholder"]
