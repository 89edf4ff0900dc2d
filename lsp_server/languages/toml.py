from lsp_server.languages.language import Language

TOML = Language(ids=("toml",), has_data_strings=True)
