"""The parser has the last word: of several ways to clean a fill, the one that breaks least."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

from engine.fill.brackets import CLOSING, balance
from engine.fill.structure import Surroundings
from lsp_server import languages
from lsp_server.document import Document
from lsp_server.gap import Gap
from lsp_server.suggest.clean import Cleaned, cleaned
from lsp_server.suggest.clean.pipeline import DISPUTABLE
from lsp_server.suggest.guard import Guard
from lsp_server.syntax.parsing import Parsing
from lsp_server.syntax.tree import parse

SECONDS = 2.0  # of parsing, for a command


@dataclass(frozen=True, slots=True)
class Verdict:
    """The variant to go on with, whether the file would have more errors than it has now, how many
    there would be, and the confidence of the candidate that it is a variant of."""

    cleaned: Cleaned
    breaks: bool = False
    errors: int = 0
    confidence: float = 0.0


def variants(
    text: str, gap: Gap, *, without: Collection[str] = (), **how: Any
) -> tuple[Cleaned, ...]:
    """`text` cleaned; where that took a cut that may be wrong, cleaned without such cuts; and
    cleaned of repetitions that may be chance. That may leave nothing."""
    found = [cleaned(text, gap, without=without, **how)]
    if not found[0].fired.isdisjoint(DISPUTABLE):
        found.append(cleaned(text, gap, without={*without, *DISPUTABLE}, **how))
    found.append(cleaned(text, gap, without=without, doubtful=True, **how))
    first, *others = dict.fromkeys(found)
    if not first.text:
        return (first, *(each for each in others if each.text))
    return (first, *(each for each in others if each.text != first.text))


def settled(text: str, gap: Gap) -> str:
    """The one of the variants that leaves the fewest errors, parsed here and now.

    For a command, which has no event loop that waits.
    """
    choices = variants(text, gap)
    try:
        tree = gap.tree or parse(gap.document, time_cap=SECONDS)
        if tree is None or len(choices) == 1:
            return choices[0].text
        filled = [as_filled(gap, each) if each.text else None for each in choices]
        trees = [parse(each, tree, SECONDS) if each is not None else tree for each in filled]
    except TimeoutError:
        return choices[0].text
    errors = [each.errors() if each is not None else None for each in trees]
    return judge(choices, errors, tree.errors()).cleaned.text


async def arbitrate(
    choices: tuple[Cleaned, ...], gap: Gap, parsing: Parsing, *, finished: bool = True
) -> Verdict:
    """Without a tree of the document, or in time, the first choice.

    `finished`: what a fill has yet to close counts as closed, for somebody who is still typing.
    """
    if gap.tree is None or not any(choice.text for choice in choices):
        return Verdict(choices[0])
    errors: list[int | None] = []
    for choice in choices:
        if not choice.text:  # the document as it is, unless that is the first choice
            errors.append(gap.tree.errors() if errors else None)
            continue
        tree = await parsing.variant(as_filled(gap, choice, finished=finished), gap.tree)
        errors.append(tree.errors() if tree is not None else None)
    return judge(choices, errors, gap.tree.errors())


async def asked_for(
    texts: Iterable[tuple[str, float]], gap: Gap, parsing: Parsing, **how: Any
) -> list[Verdict]:
    """What somebody who asks by hand gets of `texts`, each with its confidence, cleaned, the first
    choice first.

    They get what stands there, so what leaves the fewest errors comes first, in the parser's view
    and in that of engine/fill/structure.py, which also knows a block that lacks its body. Nothing
    of what breaks the file, or in a broken one what is touched, whatever may follow.
    """
    guard = await guard_of(gap, parsing)
    around = Surroundings((gap.prefix, gap.suffix), gap.document.language)
    found: dict[str, Verdict] = {}
    for text, confidence in texts:
        verdict = await arbitrate(variants(text, gap, **how), gap, parsing, finished=False)
        cleaned = verdict.cleaned
        if not cleaned.text:
            continue
        if cleaned.text in found:
            known = found[cleaned.text]
            found[cleaned.text] = replace(known, confidence=max(known.confidence, confidence))
            continue
        faults = 0 if cleaned.covers else around.faults((cleaned.text,)).count
        breaks = verdict.breaks
        if breaks or guard.part is not None:
            _, breaks = await guard.judge(text_filled(gap, cleaned))
        found[cleaned.text] = Verdict(cleaned, breaks, verdict.errors + faults, confidence)
    verdicts = sorted(found.values(), key=lambda each: each.errors)
    return [each for each in verdicts if not each.breaks]


async def guard_of(gap: Gap, parsing: Parsing) -> Guard:
    """Of what a fill of `gap` touches."""

    def plain(text: str) -> str:
        return text_filled(gap, Cleaned(text), finished=False)

    return await Guard.of(parsing, gap.document, gap.tree, ((gap.start, gap.end),), plain)


def judge(choices: tuple[Cleaned, ...], errors: list[int | None], before: int) -> Verdict:
    """The fewest errors win, the earlier of two that are equal; an unparsed one does not.

    Where the file has errors, nothing at all wins over a text that mends none of them, and may
    only repeat the line.
    """
    known = [
        (count, bool(before and choices[index].text), index)
        for index, count in enumerate(errors)
        if count is not None
    ]
    if not known:
        return Verdict(choices[0], errors=before)
    count, _, index = min(known)
    return Verdict(choices[index], count > before, count)


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
