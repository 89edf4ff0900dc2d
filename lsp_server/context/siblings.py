"""Files that belong to the gap's own: its test or what it tests, and others of its folder, as the
heads of their functions and types."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from engine.api import Snippet
from lsp_server.context.asked import Asked
from lsp_server.index.database import stem_of
from lsp_server.index.reader import Reader
from lsp_server.secrets import is_secret

MOST = 2  # files
MOST_CHARACTERS = 800  # of one
MOST_HEADS = 30
_WORD = re.compile(r"[a-zA-Z][a-z]*")


def siblings(asked: Asked, reader: Reader | None) -> tuple[Snippet, ...]:
    """The test or what is tested first, then files of the same folder with the likest names."""
    own = reader.inside(asked.path) if reader is not None else None
    if reader is None or own is None:
        return ()
    found = []
    for path in _chosen(own, reader):
        heads = _heads(reader, path)
        if heads:
            found.append(Snippet(heads, str(reader.root / path)))
    return tuple(reversed(found))


def _chosen(own: str, reader: Reader) -> list[str]:
    here = PurePosixPath(own)
    stem = stem_of(own)
    words = set(_WORD.findall(stem))
    same = [
        path
        for path in (*reader.named(stem), *reader.in_folder(str(here.parent)))
        if path != own and PurePosixPath(path).suffix == here.suffix and not is_secret(path)
    ]

    def rank(path: str) -> tuple[bool, int, str]:
        is_counterpart = stem_of(path) == stem
        alike = len(words & set(_WORD.findall(stem_of(path))))
        return not is_counterpart, -alike, path

    return sorted(dict.fromkeys(same), key=rank)[:MOST]


def _heads(reader: Reader, path: str) -> str:
    text = reader.text(path)
    if text is None:
        return ""
    lines = text.splitlines()
    taken: list[str] = []
    room = MOST_CHARACTERS
    for symbol in reader.heads(path, MOST_HEADS):
        last = symbol.body if symbol.body > symbol.line else symbol.line + 1
        head = "\n".join(line.rstrip() for line in lines[symbol.line : min(last, symbol.line + 6)])
        if len(head) > room:
            break
        taken.append(head)
        room -= len(head) + 1
    return "\n".join(taken)
