"""Languages of which only is known how they comment."""

from lsp_server.languages.language import Language

_C = (r"/\*", r"\*/")

COMMENTED = (
    Language(
        ids=(
            *("crystal", "dockerfile", "elixir", "fish", "perl", "properties", "r", "tcl", "zsh"),
        ),
        line_comment="#",
    ),
    Language(ids=("julia",), line_comment="#", block_comment=(r"#=", r"=#")),
    Language(ids=("powershell",), line_comment="#", block_comment=(r"<#", r"#>")),
    Language(ids=("sql",), line_comment="--", block_comment=_C),
    Language(ids=("ada", "vhdl"), line_comment="--"),
    Language(ids=("clojure", "ini"), line_comment=";"),
    Language(
        ids=("commonlisp", "lisp", "racket", "scheme"),
        line_comment=";",
        block_comment=(r"#\|", r"\|#"),
    ),
    Language(ids=("erlang", "latex", "tex"), line_comment="%"),
    Language(ids=("matlab", "octave"), line_comment="%", block_comment=(r"%\{", r"%\}")),
    Language(ids=("prolog",), line_comment="%", block_comment=_C),
)
