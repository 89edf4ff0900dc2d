"""The LSP language id of a file, by its name."""

from __future__ import annotations

from pathlib import PurePath

LANGUAGES = {
    "python": "py pyi pyw",
    "javascript": "js mjs cjs",
    "javascriptreact": "jsx",
    "typescript": "ts mts cts",
    "typescriptreact": "tsx",
    "rust": "rs",
    "go": "go",
    "c": "c h",
    "cpp": "cc cpp cxx hh hpp hxx",
    "java": "java",
    "lua": "lua",
    "shellscript": "sh bash",
}
_BY_EXTENSION = {f".{end}": name for name, ends in LANGUAGES.items() for end in ends.split()}


def language_of(path: PurePath) -> str | None:
    return _BY_EXTENSION.get(path.suffix.lower())
