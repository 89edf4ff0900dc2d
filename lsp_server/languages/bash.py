from lsp_server.languages.language import (
    Documentation,
    Language,
    Lexis,
    Placeholders,
    Unfinished,
)

BASH = Language(
    ids=("shellscript", "bash", "sh"),
    extensions=("sh", "bash"),
    grammar=("tree_sitter_bash", "language"),
    line_comment="#",
    lexis=Lexis("#", "\"'"),
    import_line=r"\s*(source|\.)\s",
    functions=frozenset(("function_definition",)),
    unfinished=Unfinished(closings=((r"\bthen\s*$", "\n:\nfi"), (r"\bdo\s*$", "\n:\ndone"))),
    placeholders=Placeholders(nothing=r"(?<![^\s;]):(?=[ \t]*(?:$|[;#\r\n]))", first=":"),
    documentation=Documentation("# ", ""),
)
