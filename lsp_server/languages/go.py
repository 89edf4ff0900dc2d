from lsp_server.languages.language import Documentation, Dots, Language, Lexis, Placeholders
from lsp_server.languages.not_implemented import QUOTED

GO = Language(
    ids=("go",),
    extensions=("go",),
    grammar=("tree_sitter_go", "language"),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", "\"'`"),
    import_line=r"\s*import\b",
    functions=frozenset(("function_declaration", "method_declaration", "func_literal")),
    types=frozenset(("type_declaration",)),
    placeholders=Placeholders(own=rf"panic\(\s*{QUOTED}\s*\)", first="p"),
    dots=Dots(after="["),  # [...]T
    documentation=Documentation("// {name} ", ""),
    indent_unit="\t",
)
