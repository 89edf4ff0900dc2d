"""The parser has the last word: of several ways to clean a fill, the one that breaks least."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from engine.brackets import PAIRS, balance
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.suggest.clean import Cleaned, cleaned
from lsp_server.suggest.clean.pipeline import DISPUTABLE
from lsp_server.syntax.parsing import Parsing

_CLOSING = {opener: closer for closer, opener in PAIRS.items()}
_SHELL = (("then", "\n:\nfi"), ("do", "\n:\ndone"))
_RUBY_OPENER = re.compile(
    r"^\s*(?:def|class|module|if|unless|while|until|case|begin|for)\b|\bdo\b(?=\s*(?:\|.*\|)?\s*$)",
    re.M,
)
_LUA_OPENER = re.compile(r"\b(?:then|do|function)\b")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The variant to go on with, and whether the file would have more errors than it has now."""

    cleaned: Cleaned
    breaks: bool = False


def variants(
    text: str, gap: Gap, *, without: Collection[str] = (), **how: Any
) -> tuple[Cleaned, ...]:
    """`text` cleaned, and where that took a cut that may be wrong, cleaned without such cuts."""
    first = cleaned(text, gap, without=without, **how)
    if first.fired.isdisjoint(DISPUTABLE):
        return (first,)
    second = cleaned(text, gap, without={*without, *DISPUTABLE}, **how)
    return (first, second) if second.text and second.text != first.text else (first,)


async def arbitrate(choices: tuple[Cleaned, ...], gap: Gap, parsing: Parsing) -> Verdict:
    """Without a tree of the document, or in time, the first choice."""
    if gap.tree is None or not any(choice.text for choice in choices):
        return Verdict(choices[0])
    errors = []
    for choice in choices:
        tree = await parsing.variant(as_filled(gap, choice), gap.tree) if choice.text else None
        errors.append(tree.errors() if tree is not None else None)
    return judge(choices, errors, gap.tree.errors())


def judge(choices: tuple[Cleaned, ...], errors: list[int | None], before: int) -> Verdict:
    """The fewest errors win, the earlier of two that are equal; an unparsed one does not."""
    known = [(count, index) for index, count in enumerate(errors) if count is not None]
    if not known:
        return Verdict(choices[0])
    count, index = min(known)
    return Verdict(choices[index], breaks=count > before)


def as_filled(gap: Gap, choice: Cleaned) -> Document:
    """The document with the fill in it, and with what an unfinished fill has yet to close."""
    document = gap.document
    tail = document.text[gap.end + choice.covers :]
    text = gap.prefix + choice.text + _finish(choice, gap) + tail
    return replace(document, text=text, line_starts=())


def _finish(choice: Cleaned, gap: Gap) -> str:
    text, language = choice.text, gap.document.language
    opened = balance(text, language).opened
    if opened:
        return "".join(_CLOSING[opener] for opener in reversed(opened))
    match language:
        case "python":
            return " pass" if text.rstrip().endswith(":") else ""
        case "lua":
            missing = len(_LUA_OPENER.findall(text)) - len(re.findall(r"\bend\b", text))
            return "\nend" * missing
        case "ruby":
            missing = len(_RUBY_OPENER.findall(text)) - len(re.findall(r"^\s*end\b", text, re.M))
            return "\nend" * missing
        case "shellscript" | "bash" | "sh":
            return "".join(
                closing if re.search(rf"\b{opener}\s*$", text) else "" for opener, closing in _SHELL
            )
    return ""
