from dataclasses import replace

from lsp_server.languages.javascript import JAVASCRIPT
from lsp_server.languages.language import Enum

TYPESCRIPT = replace(
    JAVASCRIPT,
    ids=("typescript",),
    extensions=("ts", "mts", "cts"),
    grammar=("tree_sitter_typescript", "language_typescript"),
    enum=Enum(
        frozenset(("enum_declaration",)), frozenset(("property_identifier", "enum_assignment"))
    ),
    types=frozenset(
        (
            "class_declaration",
            "abstract_class_declaration",
            "interface_declaration",
            "type_alias_declaration",
            "enum_declaration",
        )
    ),
)
TYPESCRIPT_REACT = replace(
    TYPESCRIPT,
    ids=("typescriptreact",),
    extensions=("tsx",),
    grammar=("tree_sitter_typescript", "language_tsx"),
)
