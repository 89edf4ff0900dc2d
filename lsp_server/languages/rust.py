from lsp_server.languages.language import (
    Documentation,
    Enum,
    Language,
    Lexis,
    Placeholders,
    Sections,
)
from lsp_server.languages.not_implemented import QUOTED

RUST = Language(
    ids=("rust",),
    extensions=("rs",),
    grammar=("tree_sitter_rust", "language"),
    enum=Enum(frozenset(("enum_item",)), frozenset(("enum_variant",))),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", '"'),  # 'a is a lifetime
    import_line=r"\s*((pub(\(\w+\))?\s+)?use|extern\s+crate)\s",
    functions=frozenset(("function_item", "closure_expression")),
    types=frozenset(("struct_item", "enum_item", "trait_item", "union_item", "type_item")),
    error_types=r"\b\w*Result\b",
    placeholders=Placeholders(
        own=(
            r"(?:todo|unimplemented)!\s*\([^\r\n]{0,300}?\)"
            rf"|panic!\s*\(\s*{QUOTED}\s*\)"
        ),
        first="tup",
    ),
    documentation=Documentation("/// ", "", margin="/// ", sections=Sections.ERRORS),
)
