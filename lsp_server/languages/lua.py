from lsp_server.languages.language import (
    Body,
    Documentation,
    Dots,
    Language,
    Lexis,
    Placeholders,
    Sections,
    Tags,
    Unfinished,
)
from lsp_server.languages.not_implemented import QUOTED

LUA = Language(
    ids=("lua",),
    extensions=("lua",),
    grammar=("tree_sitter_lua", "language"),
    line_comment="--",
    block_comment=(r"--\[\[", r"\]\]"),
    lexis=Lexis("--", "\"'"),
    import_line=r"\s*(local\s+[\w, ]+=\s*)?require\b",
    functions=frozenset(("function_declaration", "function_definition")),
    body=Body.END,
    unfinished=Unfinished(opener=r"\b(?:then|do|function)\b", closer=r"\bend\b", closing="\nend"),
    placeholders=Placeholders(own=rf"error\s*\(\s*{QUOTED}\s*\)", first="e"),
    dots=Dots(are_arguments=True, file_has_arguments=True),
    documentation=Documentation(
        "--- ",
        "",
        margin="---",
        sections=Sections.TAGS,
        tags=Tags(
            custom=r"--+ ?@(?:param|return)",
            comment="---",
            other_margin=(r"^[ \t]*-- @(?:param|return)", "-- "),
        ),
    ),
    indent_unit="  ",
)
