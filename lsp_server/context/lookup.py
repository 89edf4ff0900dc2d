"""Lines and blocks of the workspace that may stand in the gap: candidates, not to be read."""

from __future__ import annotations

from engine.api import Proposal, Shape
from lsp_server.context.asked import Asked
from lsp_server.index.lookup import words_of
from lsp_server.index.reader import Reader

REACH = 40_000  # characters on either side whose words are known


def proposals(asked: Asked, reader: Reader | None) -> tuple[Proposal, ...]:
    if reader is None:
        return ()
    own = reader.inside(asked.path)
    found = [] if asked.shape is Shape.LINE else list(
        reader.blocks(asked.prefix, asked.suffix, own)
    )  # fmt: skip
    if asked.shape is not Shape.BLOCK:
        words = words_of(asked.prefix[-REACH:]) | words_of(asked.suffix[:REACH])
        found += reader.lines(asked.prefix, asked.suffix, own, words)
    return tuple(found)
