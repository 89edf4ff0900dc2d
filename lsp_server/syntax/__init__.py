"""tree-sitter: grammars by LSP language id, parsing off the event loop, what a tree says."""
