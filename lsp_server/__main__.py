"""`python -m lsp_server` is the command `infill-ls`."""

from lsp_server.cli import main

main()
