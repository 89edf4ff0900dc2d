from lsp_server.languages.language import Language

TOML = Language(ids=("toml",), line_comment="#", has_data_strings=True)
