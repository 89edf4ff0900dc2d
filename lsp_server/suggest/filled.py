"""The document as it would be with a fill in it."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.fill.brackets import CLOSING, balance
from lsp_server import languages
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.suggest.clean import Cleaned


def as_filled(gap: Gap, choice: Cleaned, *, finished: bool = True) -> Document:
    """The document with `text_filled`."""
    text = text_filled(gap, choice, finished=finished)
    return replace(gap.document, text=text, line_starts=())


def text_filled(gap: Gap, choice: Cleaned, *, finished: bool = True) -> str:
    """The text with the fill in it, and with what an unfinished fill has yet to close."""
    tail = gap.document.text[gap.end + choice.covers :]
    return gap.prefix + choice.text + (_finish(choice, gap) if finished else "") + tail


def _finish(choice: Cleaned, gap: Gap) -> str:
    text, language = choice.text, gap.document.language
    opened = balance(text, language).opened
    if opened:
        # What follows the fill is the block of the opener that stands there, not of the fill's.
        if opened[-1] in _opened_next(choice, gap):
            return ""
        return "".join(CLOSING[opener] for opener in reversed(opened))
    known = languages.of(language).unfinished
    for ending, closing in known.closings:
        if re.search(ending, text):
            return closing
    if known.opener is None:
        return ""
    opened_more = len(re.findall(known.opener, text, re.M)) - len(
        re.findall(known.closer, text, re.M)
    )
    return known.closing * opened_more


def _opened_next(choice: Cleaned, gap: Gap) -> tuple[str, ...]:
    """What the rest of the fill's line leaves open; where that is blank, what the next begins with.

    The fill's last line goes on with it, and so does an opener on a line of its own.
    """
    rest = gap.document.text[gap.end + choice.covers :]
    line, _, below = rest.partition("\n")
    if line.strip():
        return balance(line, gap.document.language).opened
    return tuple(below.lstrip()[:1])
