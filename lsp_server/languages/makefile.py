from lsp_server.languages.language import Language

MAKEFILE = Language(ids=("makefile",), line_comment="#", needs_tabs=True)
