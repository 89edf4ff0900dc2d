"""LSP in, edits out. Knows documents, syntax and editors; imports no torch."""
