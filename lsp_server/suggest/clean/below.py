"""The lines below and above: what of them the fill repeats."""

from __future__ import annotations

import re

from engine.fill.brackets import unmatched_closer
from lsp_server.suggest.clean.around import CLOSER, REPEATABLE, Around, lines_that_hold

_WORD_OPENER = re.compile(r"\b(then|do|function|case|def|class|module|begin|if|unless|while)\b")
_CLOSES = re.compile(r"[)\]}]|\b(end|fi|done|esac)\b")
_WORD_CLOSER = re.compile(r"\b(end|fi|done|esac)\b")
FUZZY_LINES = 3
FUZZY_SHARE = 0.05
LONGEST_COMPARED = 400
SHORTEST_ABOVE = 5


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
        if tail[:-1] != below[: count - 1] or not _is_same(tail[-1], below[count - 1]):
            continue
        if count == 1 and _is_its_own_closer(tail[0], text, around.language):
            return text
        return "\n".join(text.split("\n")[: held[-count]])
    return text


def drop_repeat_of_lines_below(text: str, around: Around) -> str:
    """A fill that only repeats the next lines, almost to the letter, is none.

    One line of a series, as in a table, is as near to the next as the line above it is.
    """
    if around.line_after.strip():
        return text
    lines = [line.strip() for line in lines_that_hold(text)]
    below = [line.strip() for line in around.lines_below]
    if not lines or not below or all(map(_is_repeatable, lines)):
        return text
    if lines == below[: len(lines)] or (len(lines) > 1 and _same_start(lines, below)):
        return ""
    if len(lines) == 1 and _is_nearly(around.line_above.strip(), below[0], 1):
        return text
    return "" if _is_nearly("\n".join(lines), "\n".join(below[: len(lines)]), len(lines)) else text


def drop_repeat_of_line_above(text: str, around: Around) -> str:
    """A line that repeats the line above is no fill."""
    line = (around.line_before + text).strip()
    if "\n" in text.strip() or around.line_after.strip() or len(line) < SHORTEST_ABOVE:
        return text
    return "" if line == around.line_above.strip() and not _is_repeatable(line) else text


def _same_start(lines: list[str], below: list[str]) -> bool:
    return lines[:2] == below[:2] and not all(map(_is_repeatable, lines[:2]))


def _is_nearly(text: str, other: str, lines: int) -> bool:
    allowed = int(FUZZY_SHARE * max(len(text), len(other)))
    if lines > FUZZY_LINES or not allowed or max(len(text), len(other)) > LONGEST_COMPARED:
        return False
    return abs(len(text) - len(other)) <= allowed and _distance(text, other, allowed) <= allowed


def _distance(one: str, other: str, most: int) -> int:
    """Levenshtein's; anything over `most` once it is over that."""
    row = list(range(len(other) + 1))
    for index, character in enumerate(one, 1):
        diagonal, row[0] = row[0], index
        for column, another in enumerate(other, 1):
            cost = min(row[column] + 1, row[column - 1] + 1, diagonal + (character != another))
            diagonal, row[column] = row[column], cost
        if min(row) > most:
            return most + 1
    return row[-1]


def _is_same(line: str, below: str) -> bool:
    """Equal, or closers of which one goes on where the other ends: `}` and `} else {`."""
    if line == below:
        return True
    shorter, longer = sorted((line, below), key=len)
    return (
        bool(shorter.strip())
        and CLOSER.fullmatch(shorter) is not None
        and (longer.startswith(shorter) and not _is_word(longer[len(shorter)]))
    )


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _with_indent(text: str, around: Around) -> str:
    """`text` with the white space that its first line stands behind."""
    before = around.line_before
    return before + text if not before.strip() else text


def _is_its_own_closer(line: str, text: str, language: str) -> bool:
    """Whether `line`, the last of `text`, closes what `text` has opened: then it stays."""
    if not CLOSER.fullmatch(line) or not _CLOSES.search(line):
        return False
    openers, closers = len(_WORD_OPENER.findall(text)), len(_WORD_CLOSER.findall(text))
    return unmatched_closer(text, language) is None and openers >= closers


def _is_repeatable(line: str) -> bool:
    return REPEATABLE.fullmatch(line.strip()) is not None
