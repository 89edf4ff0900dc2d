from lsp_server.languages.language import Language, Lexis

JSON = Language(
    ids=("json", "jsonc"),
    extensions=("json", "jsonc"),
    grammar=("tree_sitter_json", "language"),
    line_comment="//",
    block_comment=(r"/\*", r"\*/"),
    lexis=Lexis("//", '"'),
    has_data_strings=True,
)
