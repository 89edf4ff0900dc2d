"""From the model's text to the buffer's: a pipeline of small pure filters, each logged as it fires.

The filters work on LF text. A filter takes the fill and what is around it and gives the fill to
go on with; "" means there is nothing worth showing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from engine.api import Shape
from lsp_server.gap import Gap

log = logging.getLogger(__name__)

_PAIRS = {")": "(", "]": "[", "}": "{"}
# A quote that does not end on its line is an apostrophe.
_STRING_OR_BRACKET = re.compile(r"""(["'`])(?:\\.|(?!\1)[^\\\n])*\1|[()\[\]{}]""")
_CLOSER = re.compile(r"\W*(end|fi|done|esac)?\W*")
_WORD_OPENER = re.compile(r"\b(then|do|function|case)\b")
_WORD_CLOSER = re.compile(r"\b(end|fi|done|esac)\b")


@dataclass(frozen=True, slots=True)
class Around:
    """What a filter may look at: the text on both sides of the gap, and the gap's shape."""

    prefix: str
    suffix: str
    shape: Shape

    @property
    def line_before(self) -> str:
        return self.prefix[self.prefix.rfind("\n") + 1 :]

    @property
    def line_after(self) -> str:
        return self.suffix.partition("\n")[0]

    @property
    def lines_below(self) -> list[str]:
        """The lines that hold something, after the line of the gap, right-trimmed."""
        return _lines_that_hold(self.suffix.partition("\n")[2])


Filter = Callable[[str, Around], str]


def clean(text: str, gap: Gap) -> str:
    """`text` as it goes into the gap's document; "" if nothing should."""
    prefix, suffix = gap.sides()
    text = filtered(text.replace("\r\n", "\n"), Around(prefix, suffix, gap.shape))
    return text.replace("\n", gap.document.newline)


def filtered(text: str, around: Around) -> str:
    """All filters, in order, until none of them fires: what has been cleaned stays as it is."""
    while True:
        started_with = text
        for each in PIPELINE:
            before, text = text, each(text, around)
            if text != before:
                log.debug("%s: %d characters became %d", each.__name__, len(before), len(text))
        if text == started_with:
            return text


def keep_one_line(text: str, around: Around) -> str:
    """A line-shaped gap holds one line."""
    return text.partition("\n")[0] if around.shape is Shape.LINE else text


def drop_double_indent(text: str, around: Around) -> str:
    """White space before the cursor is not written again."""
    before = around.line_before
    if not before.strip():
        return text.removeprefix(before) if before else text
    return text.lstrip(" \t") if before[-1] in " \t" else text


def drop_repeat_of_rest_of_line(text: str, around: Around) -> str:
    """What already stands after the cursor on its line is not said twice."""
    rest = around.line_after.strip()
    if not rest:
        return text
    first, newline, more = text.partition("\n")
    if not newline and first.strip() == rest:
        return ""
    if any(character.isalnum() or character == "_" for character in rest):
        return text.rstrip().removesuffix(rest) if text.rstrip().endswith(rest) else text
    closer = unmatched_closer(text)
    if closer is not None and text[closer] == rest[0]:
        return text[:closer]
    return first.removesuffix(rest) + newline + more if rest[0] in "\"'`,;:" else text


def drop_repeat_of_lines_below(text: str, around: Around) -> str:
    """A fill that only says what the next lines say is none."""
    if around.line_after.strip():
        return text
    lines = [line.strip() for line in _lines_that_hold(text)]
    below = [line.strip() for line in around.lines_below[: len(lines)]]
    return "" if lines == below else text


def trim_tail_that_lines_below_repeat(text: str, around: Around) -> str:
    """The last lines of a block are cut where the lines below begin with the same ones.

    A closer alone is kept where the fill itself opened what it closes.
    """
    if "\n" not in text or around.line_after.strip():
        return text
    lines = _with_indent(text, around).split("\n")
    held = [number for number, line in enumerate(lines) if line.strip()]
    below = around.lines_below
    for count in range(min(len(held), len(below)), 0, -1):
        tail = [lines[number].rstrip() for number in held[-count:]]
        if tail != below[:count]:
            continue
        if count == 1 and _CLOSER.fullmatch(tail[0]) and _closes_its_own(text):
            return text
        return "\n".join(text.split("\n")[: held[-count]])
    return text


def trim_line_ends(text: str, around: Around) -> str:
    """No white space before a line's end; none at the end at all where the line ends there."""
    *lines, last = text.split("\n")
    text = "\n".join([*(line.rstrip() for line in lines), last])
    return text.rstrip() if not around.line_after.strip() else text


def drop_blank(text: str, around: Around) -> str:
    return text if text.strip() else ""


PIPELINE: tuple[Filter, ...] = (
    keep_one_line,
    drop_double_indent,
    drop_repeat_of_lines_below,
    drop_repeat_of_rest_of_line,
    trim_tail_that_lines_below_repeat,
    trim_line_ends,
    drop_blank,
)


def unmatched_closer(text: str) -> int | None:
    """Where `text` closes a bracket that it has not opened. Brackets in quotes do not count."""
    stack: list[str] = []
    for match in _STRING_OR_BRACKET.finditer(text):
        bracket = match.group()
        if bracket in _PAIRS.values():
            stack.append(bracket)
        elif bracket in _PAIRS:
            if not stack or stack[-1] != _PAIRS[bracket]:
                return match.start()
            stack.pop()
    return None


def _lines_that_hold(text: str) -> list[str]:
    return [line.rstrip() for line in text.split("\n") if line.strip()]


def _with_indent(text: str, around: Around) -> str:
    """`text` with the white space that its first line stands behind."""
    before = around.line_before
    return before + text if not before.strip() else text


def _closes_its_own(text: str) -> bool:
    openers, closers = len(_WORD_OPENER.findall(text)), len(_WORD_CLOSER.findall(text))
    return unmatched_closer(text) is None and openers >= closers
