"""What stands before the gap, and the fill repeats."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from engine.fill.structure import Surroundings
from lsp_server.suggest.clean.around import Around
from lsp_server.suggest.clean.overlap import drop_repeat_of_rest_of_line
from lsp_server.suggest.clean.tokens import Token, common, is_word, tokens

# Nobody repeats, after one of these, what stands before it; after `+` or `,` somebody may.
_LEADS_ON = re.compile(r"\S*=|[-=]>|<-|\??\.|::|:|\(|\[|\{|&&|\|\||and|or")
_MEMBER = frozenset((".", "?.", "::", "->"))
_BRACKET_OR_QUOTE = re.compile(r"[()\[\]{}\"'`]")
_LONGEST = 200  # tokens


def drop_repeat_of_what_is_before(text: str, around: Around) -> str:
    """The fill goes on after the cursor; it does not begin the line, or a part of it, again.

    A chat begins with the whole line, and with lines above, mostly without its indentation.
    """
    if not around.line_before.strip():
        return text
    text = _without_lines_above(text, around)
    while (end := _repeat(text, around)) > 0:
        text = text[end:]
    return text


def _without_lines_above(text: str, around: Around) -> str:
    """Lines that stand above are dropped if the line of the gap follows them."""
    lines = text.split("\n")
    here = around.line_before.strip()
    above = [line.strip() for line in around.prefix.split("\n")[-len(lines) : -1]]
    for count in range(len(above), 0, -1):
        repeated = [line.strip() for line in lines[:count]]
        if (
            repeated == above[-count:]
            and len(lines) > count
            and lines[count].strip().startswith(here)
        ):
            return "\n".join(lines[count:])
    return text


def _repeat(text: str, around: Around) -> int:
    """Where the repetition that `text` begins with has ended; 0 for none."""
    before, fill = tokens(around.line_before)[-_LONGEST:], tokens(text.partition("\n")[0])
    for count in range(min(len(before), len(fill)), 0, -1):
        repeated = before[-count:]
        if common(repeated, fill) < count or not _is_repeat(repeated, before[:-count], around):
            continue
        if _fits(text, text[fill[count - 1].end :], repeated, count == len(before), around):
            return fill[count - 1].end
    return 0


def _is_repeat(repeated: Sequence[Token], earlier: Sequence[Token], around: Around) -> bool:
    if earlier and earlier[-1].text in _MEMBER:
        return False  # `node.next.` and `next.value`
    is_spaced = around.line_before[-1].isspace()
    if not any(map(is_word, repeated)):
        marks = "".join(each.text for each in repeated)
        is_mark = is_spaced and not _BRACKET_OR_QUOTE.search(marks) and not marks.isalnum()
        return not earlier and (is_mark or marks in ('"""', "'''"))
    is_glued = not is_spaced and is_word(repeated[-1])
    leads_on = _LEADS_ON.fullmatch(repeated[-1].text) is not None
    is_line = not earlier and len(repeated) > 1  # `long long` is no line twice
    return is_line or is_glued or leads_on or around.doubtful


def _fits(text: str, kept: str, repeated: Sequence[Token], is_line: bool, around: Around) -> bool:
    """Whether the brackets match as well without the repetition as with it, or even better where
    a call may well stand in a call of the same name."""
    around = replace(around, may_overwrite=False)
    surroundings = Surroundings((around.prefix, around.suffix), around.language)
    without, with_it = (
        surroundings.faults((drop_repeat_of_rest_of_line(each, around),)).unmatched
        for each in (kept, text)
    )
    is_call = repeated[-1].text in ("(", "[", "{") and not is_line
    return without < with_it if is_call else without <= with_it
