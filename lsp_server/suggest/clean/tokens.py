"""Words, operators and brackets, without any grammar: what a repetition is counted in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# Brackets, quotes, angle brackets and marks stand alone, other operators as they are written.
_TOKEN = re.compile(
    r"\w+|[-=]>|<-|[<>!=]=+|::|[^\w\s()\[\]{}<>\"'`,;:=]*=(?!=)|[^\w\s()\[\]{}<>\"'`,;:=]+|\S"
)


class Token(NamedTuple):
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """What `text` consists of, white space aside, in its order."""
    return [Token(each.group(), each.start(), each.end()) for each in _TOKEN.finditer(text)]


def common(one: Sequence[Token], other: Sequence[Token]) -> int:
    """How many tokens both begin with."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left.text != right.text:
            break
        count += 1
    return count


def is_word(token: Token) -> bool:
    """Whether it names something: not a number, which may well be there twice."""
    return token.text[0].isalpha() or token.text[0] == "_"
