"""What evaluation asks of the server, which alone has grammars: whether a text is what its language
allows, and what the server makes of a model's texts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from engine.api import Shape
from engine.evaluation.items import Item
from lsp_server.document import Document
from lsp_server.gap import cut
from lsp_server.suggest.choose import best_by_hand
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import SyntaxTree, parse

SECONDS = 5.0  # for one text


def parses(language: str, text: str) -> bool | None:
    """None without a grammar for `language`, and where parsing takes too long."""
    tree = _tree(Document("evaluation:", 0, language, text))
    return None if tree is None else not tree.tree.root_node.has_error


def put_in(item: Item, texts: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """What of `texts` the server puts into the gap of `item` for somebody who asks by hand, and the
    confidence of the text that it comes from; "" and 0 where that is none."""
    document = Document("evaluation:", 0, item.language, item.prefix + item.suffix)
    gap = cut(document, len(item.prefix), tree=_tree(document))
    gap = replace(gap, shape=Shape.BLOCK if item.block else Shape.LINE)

    async def put() -> tuple[str, float]:
        parsing = Parsing()
        try:
            best = await best_by_hand(list(texts), gap, parsing)
        finally:
            parsing.close()
        return (best[0].what.text, best[0].confidence) if best else ("", 0.0)

    return asyncio.run(put())


def _tree(document: Document) -> SyntaxTree | None:
    try:
        return parse(document, time_cap=SECONDS)
    except TimeoutError:
        return None
