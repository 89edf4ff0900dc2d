from lsp_server.languages.language import Language

XML = Language(ids=("xml",), has_data_strings=True)
