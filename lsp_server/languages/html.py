from lsp_server.languages.language import Language

HTML = Language(
    ids=("html",),
    extensions=("html", "htm"),
    grammar=("tree_sitter_html", "language"),
    has_data_strings=True,
)
