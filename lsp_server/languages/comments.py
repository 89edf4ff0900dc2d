"""What makes the rest of a line a comment, in languages without a record too."""

from __future__ import annotations

from lsp_server import languages

# Of languages without a record, those whose line comments do not start as C's do.
_OTHERS = {
    **dict.fromkeys(
        ("coffeescript", "crystal", "dockerfile", "elixir", "fish", "gdscript", "julia", "makefile",
         "nim", "perl", "powershell", "properties", "r", "tcl", "toml", "yaml", "zsh"),
        "#",
    ),
    **dict.fromkeys(("ada", "elm", "haskell", "purescript", "sql", "vhdl"), "--"),
    **dict.fromkeys(("clojure", "commonlisp", "ini", "lisp", "racket", "scheme"), ";"),
    **dict.fromkeys(("erlang", "latex", "matlab", "octave", "prolog", "tex"), "%"),
}  # fmt: skip


def line_comment(language: str) -> str:
    """It is "//", as most languages have it, where nobody knows."""
    return languages.of(language).line_comment or _OTHERS.get(language, "//")
