from lsp_server.languages.language import Language, Lexis

CSS = Language(
    ids=("css",),
    extensions=("css",),
    grammar=("tree_sitter_css", "language"),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("/*", "\"'"),
    has_data_strings=True,
    import_line=r"\s*@(import|use)\b",
)
