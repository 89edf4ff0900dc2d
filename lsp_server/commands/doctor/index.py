"""The indexes of workspaces on this machine, and whether one can be kept of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lsp_server.commands.doctor.finding import Finding, ok, warning
from lsp_server.commands.index import in_words
from lsp_server.index.kept import kept
from lsp_server.index.listing import Unlisted, listed

ANEW = "run `infill-ls index --forget-all`; they are built again"


def indexes(folder: Path | None = None) -> Iterator[Finding]:
    """Nothing is built."""
    here = folder or Path.cwd()
    found = list(kept())
    broken = [each for each in found if each.files is None]
    for each in found:
        if each not in broken:
            yield ok("index", in_words(each))
    if broken:
        yield warning("index", f"{broken[0].path} is not whole or of another version", ANEW)
    if not found:
        yield ok("index", "none yet; the language server makes one of each folder you work in")
    try:
        next(listed(here), None)
    except Unlisted as error:
        cause, _, fix = str(error).rpartition(": ")
        yield warning("index", cause, fix)
