from lsp_server.languages.language import (
    Documentation,
    Language,
    Lexis,
    Placeholders,
    Sections,
    Tags,
)
from lsp_server.languages.not_implemented import QUOTED

C = Language(
    ids=("c",),
    extensions=("c", "h"),
    grammar=("tree_sitter_c", "language"),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", "\"'"),
    import_line=r"\s*(#\s*include\b|using\s|import\s)",
    functions=frozenset(("function_definition", "lambda_expression")),
    types=frozenset(("struct_specifier", "enum_specifier", "union_specifier")),
    placeholders=Placeholders(
        own=rf"assert\s*\(\s*(?:0|false)\s*&&\s*{QUOTED}\s*\)",
        first="a",
    ),
    documentation=Documentation(
        margin=" * ",
        end="\n{indent} */",
        sections=Sections.TAGS,
        tags=Tags(
            custom=r"[@\\](?:param|returns?)\b",
            comment="/**",
            other_mark=(r"\\(?:param|return|brief)\b", "\\"),
        ),
        path_end=r"*\/",
    ),
    # The preprocessor's lines belong to no block, and a label to the one around it.
    outside_of_blocks=r"#|\s*\w+:$",
)
