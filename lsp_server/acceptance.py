"""What it means that a text which was shown stands in the document now: taken, or typed.

An editor does not tell. The one definition for what is learnt from it (`suggest.feedback`) and for
what is counted (`stats`).
"""

from __future__ import annotations

from enum import StrEnum

# What one key may insert, besides one character: an editor closes brackets and quotes by itself.
_PAIRS = frozenset(("()", "[]", "{}", "''", '""', "``"))


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    PARTLY_ACCEPTED = "partly accepted"
    TYPED = "typed"
    REJECTED = "rejected"


def count_standing(text: str, document: str, start: int) -> int:
    """How many characters of `text`, from its beginning, `document` has at `start`.

    What a text covers, such as a bracket that an editor has closed, counts as any other.
    """
    there = document[start : start + len(text)]
    if there == text:
        return len(text)
    return next(
        (n for n, (one, other) in enumerate(zip(there, text, strict=False)) if one != other),
        len(there),
    )


def followed(text: str, stands: int, inserted: str) -> Outcome | None:
    """What `inserted` says about `text`, of which the first `stands` characters stand now; None
    where that is nothing yet.

    What a key may have typed is not taken for accepted, the last character of a text either.
    """
    is_typed = len(inserted) <= 1 or inserted in _PAIRS
    if stands == len(text):
        return Outcome.TYPED if is_typed else Outcome.ACCEPTED
    return None if is_typed else Outcome.PARTLY_ACCEPTED


def one_key(inserted: str) -> str:
    """The character that the user has typed, where an editor has closed it by itself."""
    return inserted[0] if inserted in _PAIRS else inserted
