from lsp_server.languages.language import (
    Body,
    Documentation,
    Dots,
    Headers,
    Language,
    Lexis,
    Placeholders,
    Sections,
    Tags,
    Unfinished,
)
from lsp_server.languages.not_implemented import QUOTED

RUBY = Language(
    ids=("ruby",),
    extensions=("rb",),
    grammar=("tree_sitter_ruby", "language"),
    line_comment="#",
    lexis=Lexis("#", "\"'"),
    import_line=r"\s*(require(_relative)?|load|autoload)\b",
    functions=frozenset(("method", "singleton_method")),
    types=frozenset(("class", "module")),
    body=Body.END,
    headers=Headers(
        headed=frozenset(
            (
                *("method", "singleton_method", "class", "singleton_class", "module"),
                *("if", "unless", "elsif", "while", "until", "for", "when", "in_clause"),
                *("rescue", "ensure", "do_block", "block"),
            )
        ),
        bodies=frozenset(("body_statement", "block_body", "then", "do", "program")),
    ),
    unfinished=Unfinished(
        opener=(
            r"^\s*(?:def|class|module|if|unless|while|until|case|begin|for)\b"
            r"|\bdo\b(?=\s*(?:\|.*\|)?\s*$)"
        ),
        closer=r"^\s*end\b",
        closing="\nend",
    ),
    placeholders=Placeholders(
        own=(
            r"raise\s+NotImplementedError\b[^\r\n#]*?(?=\s*(?:$|#|;|end\b))"
            rf"|raise\s+{QUOTED}"
        ),
        first="r",
    ),
    dots=Dots(are_arguments=True),
    documentation=Documentation(
        "# ",
        "",
        margin="# ",
        sections=Sections.TAGS,
        tags=Tags(custom=r"# @(?:param|return)", comment="#"),
    ),
    indent_unit="  ",
)
