from lsp_server.languages.language import Language

MAKEFILE = Language(ids=("makefile",), needs_tabs=True)
