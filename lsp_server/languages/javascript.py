from dataclasses import replace

from lsp_server.languages.language import (
    Documentation,
    Language,
    Lexis,
    Placeholders,
    Sections,
    Tags,
)
from lsp_server.languages.not_implemented import QUOTED

JAVASCRIPT = Language(
    ids=("javascript",),
    extensions=("js", "mjs", "cjs"),
    grammar=("tree_sitter_javascript", "language"),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", "\"'`"),
    import_line=(r"\s*(import\b(?!\s*[(.])|export\b.*\bfrom\b|(const|let|var)\b.*=\s*require\b)"),
    functions=frozenset(
        (
            "function_declaration",
            "generator_function_declaration",
            "function_expression",
            "generator_function",
            "arrow_function",
            "method_definition",
        )
    ),
    types=frozenset(("class_declaration",)),
    placeholders=Placeholders(
        own=rf"throw\s+(?:new\s+)?Error\s*\(\s*{QUOTED}\s*\)",
        first="t",
    ),
    documentation=Documentation(
        margin=" * ",
        end="\n{indent} */",
        sections=Sections.TAGS,
        tags=Tags(
            custom=r"[@\\](?:param|returns?)\b",
            comment="/**",
            parameter="@param %s - ",
            returns="@returns ",
            raises="@throws {%s} ",
        ),
        path_end=r"*\/",
    ),
)
JAVASCRIPT_REACT = replace(JAVASCRIPT, ids=("javascriptreact",), extensions=("jsx",))
