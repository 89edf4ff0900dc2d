"""What the suite `repositories` asks of the server: what its sources find around a gap."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from engine.api import Proposal, Shape, Snippet
from engine.evaluation.cutting import read_folder
from engine.evaluation.items import Item
from engine.evaluation.repositories import ALONE
from lsp_server.context.asked import Asked, OpenText
from lsp_server.context.gather import SOURCES, gather
from lsp_server.index import database
from lsp_server.index.reader import Reader
from lsp_server.index.update import update
from lsp_server.secrets import is_secret

TOGETHER = "all together"
# There is no record of edits in a folder.
WAYS = (ALONE, *(each for each in SOURCES if each != "edits"), TOGETHER)
OPEN = 4  # documents that are open beside the gap's own


def around(data: Path, item: Item, way: str) -> tuple[Sequence[Snippet], Sequence[Proposal]]:
    """Raises OSError, Unlisted and sqlite3.Error where the repository cannot be indexed."""
    if way == ALONE:
        return (), ()
    repository, _, inside = item.path.partition("/")
    root = (data / repository).resolve()
    reader = _reader(root)
    asked = Asked(
        prefix=item.prefix,
        suffix=item.suffix,
        language=item.language,
        path=str(root / inside),
        shape=Shape.BLOCK if item.block else Shape.LINE,
        open_texts=_opened(root, inside, item) if way in ("openDocuments", TOGETHER) else (),
    )
    found = gather(asked, reader, SOURCES if way == TOGETHER else (way,))
    return found.context, found.proposals


def _opened(root: Path, inside: str, item: Item) -> tuple[OpenText, ...]:
    """Files of the same language, drawn evenly: nobody knows what was open when it was written."""
    others = [
        (name, text) for name, text, language in _texts(root) if language == item.language
        and name != inside
    ]  # fmt: skip
    drawn = random.Random(item.id).sample(others, min(OPEN, len(others)))
    return tuple(OpenText(str(root / name), item.language, text) for name, text in drawn)


@cache
def _texts(root: Path) -> tuple[tuple[str, str, str], ...]:
    return tuple((each.name, each.text, each.language) for each in read_folder(root, is_secret))


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Not where the user's own indexes are: it goes with the process."""
    return tempfile.TemporaryDirectory(prefix="infill-ls-index-")


@cache
def _reader(root: Path) -> Reader:
    path = Path(_folder().name) / f"{len(list(Path(_folder().name).iterdir()))}.sqlite"
    connection = database.open_to_write(path)
    try:
        update(connection, root)
    finally:
        connection.close()
    return Reader(root, path)
