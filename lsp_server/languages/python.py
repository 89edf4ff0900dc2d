from lsp_server.languages.language import (
    Body,
    Documentation,
    Enum,
    Language,
    Levels,
    Lexis,
    Placeholders,
    Sections,
    Unfinished,
)

PYTHON = Language(
    ids=("python",),
    extensions=("py", "pyi", "pyw"),
    grammar=("tree_sitter_python", "language"),
    import_of_names=r"^[ \t]*from[ \t]+(?P<module>\.*[\w.]*)[ \t]+import[ \t]+(?:\w+,[ \t]*)*$",
    enum=Enum(
        kinds=frozenset(("class_definition",)),
        members=frozenset(("assignment",)),
        base=r"\b\w*(?:Enum|Flag)\b",
    ),
    line_comment="#",
    lexis=Lexis("#", "\"'"),
    import_line=r"\s*(import\s|from\s)",
    functions=frozenset(("function_definition",)),
    types=frozenset(("class_definition",)),
    body=Body.COLON,
    words_open_blocks=False,
    unfinished=Unfinished(closings=((r":\s*\Z", " pass"),)),
    implied_parameters=frozenset(("self", "cls")),
    placeholders=Placeholders(
        own=r"raise\s+NotImplementedError\b(?:\s*\([^\r\n]{0,300}\))?",
        nothing=r"pass\b",
        first="rp",
    ),
    documentation=Documentation(end='\n{indent}"""', sections=Sections.HEADED),
    levels=Levels.COLON,
)
