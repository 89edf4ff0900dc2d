from lsp_server.languages.language import (
    Documentation,
    Enum,
    Language,
    Lexis,
    Placeholders,
    Sections,
    Tags,
)
from lsp_server.languages.not_implemented import QUOTED

JAVA = Language(
    ids=("java",),
    extensions=("java",),
    grammar=("tree_sitter_java", "language"),
    enum=Enum(frozenset(("enum_declaration",)), frozenset(("enum_constant",))),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", "\"'"),
    import_line=r"\s*import\s",
    functions=frozenset(
        (
            "method_declaration",
            "constructor_declaration",
            "compact_constructor_declaration",
            "lambda_expression",
        )
    ),
    types=frozenset(
        (
            "class_declaration",
            "interface_declaration",
            "enum_declaration",
            "record_declaration",
            "annotation_type_declaration",
        )
    ),
    placeholders=Placeholders(
        own=(
            r"throw\s+new\s+(?:\w+\.)*UnsupportedOperationException\s*\([^\r\n]{0,300}?\)"
            rf"|throw\s+new\s+(?:\w+\.)*\w+\s*\(\s*{QUOTED}\s*\)"
        ),
        first="t",
    ),
    documentation=Documentation(
        margin=" * ",
        end="\n{indent} */",
        sections=Sections.TAGS,
        tags=Tags(custom=r"[@\\](?:param|returns?)\b", comment="/**"),
        path_end="*&#47;",
        backslash="&#92;",  # \\u begins an escape even in a comment
    ),
)
