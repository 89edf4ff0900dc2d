"""What the language server asks of an index: proposals and symbols, and never an error."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from engine.api import Proposal
from lsp_server.index import database
from lsp_server.index.database import files_in, files_named
from lsp_server.index.lookup import Lookup
from lsp_server.index.symbols import Defined, Symbol, find, heads
from lsp_server.secrets import is_secret

log = logging.getLogger(__name__)

T = TypeVar("T")


class Reader:
    """The index of the folder `root`, in the file `path`. Of one thread at a time.

    Where there is none yet, or it is damaged or busy, nothing is found.
    """

    def __init__(self, root: Path, path: Path | None = None) -> None:
        self.root = root
        self._path = path or database.path_of(root)
        self._connection: sqlite3.Connection | None = None
        self._lookup: Lookup | None = None

    def lines(
        self, prefix: str, suffix: str, own: str | None, words: set[str]
    ) -> Sequence[Proposal]:
        """As `Lookup.lines`."""
        return self._asked(lambda lookup: lookup.lines(prefix, suffix, own, words))

    def blocks(self, prefix: str, suffix: str, own: str | None) -> Sequence[Proposal]:
        """As `Lookup.blocks`."""
        return self._asked(lambda lookup: lookup.blocks(prefix, suffix, own))

    def defined(self, names: Sequence[str], most: int) -> Sequence[Defined]:
        """Where symbols called one of `names` stand, at most `most` of each name."""
        return self._asked(lambda lookup: find(lookup.connection, names, most))

    def heads(self, path: str, most: int) -> Sequence[Symbol]:
        """The symbols of a file in their order, at most `most`."""
        return self._asked(lambda lookup: heads(lookup.connection, path, most))

    def in_folder(self, folder: str) -> Sequence[str]:
        """The files right in a folder, "." for the root."""
        return self._asked(lambda lookup: files_in(lookup.connection, folder))

    def named(self, stem: str) -> Sequence[str]:
        """Files of that stem (`database.stem_of`), a few."""
        return self._asked(lambda lookup: files_named(lookup.connection, stem))

    def text(self, path: str) -> str | None:
        """Of a file as the index calls it; None where it may hold secrets, or is none to read."""
        if is_secret(path):
            return None
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def inside(self, path: str | None) -> str | None:
        """`path` as the index calls it; None for one outside the folder."""
        if path is None:
            return None
        try:
            return Path(path).relative_to(self.root).as_posix()
        except ValueError:
            return None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._lookup = None

    def _asked(self, ask: Callable[[Lookup], Sequence[T]]) -> Sequence[T]:
        try:
            if self._lookup is None:
                self._connection = database.open_to_read(self._path)
                if self._connection is None:
                    return ()
                self._lookup = Lookup(self._connection)
            return ask(self._lookup)
        except sqlite3.Error as error:
            # It is being built anew, or the disk has a fault: the next time it is opened again.
            log.info("the index of %s was not asked: %s", self.root, error)
            self.close()
            return ()
