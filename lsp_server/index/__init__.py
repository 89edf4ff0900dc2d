"""An index of the workspace on this machine: its lines, what follows what, and its symbols.

A process of its own builds it (`__main__`), in one SQLite file for each folder; the language server
only reads it (`lookup`, `symbols`). Deleting the file loses nothing but the time to build it again.
"""
