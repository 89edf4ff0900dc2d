"""A hole, and a plan of several: from ranges of a document to a request, and back to edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.api import Shape
from lsp_server.document import Document
from lsp_server.gap import Gap, with_lf
from lsp_server.holes.fit import fit
from lsp_server.holes.literal import before_stops, written
from lsp_server.holes.wanted import Wanted, is_copied, is_placeholder
from lsp_server.suggest.clean import DISPUTABLE, Cleaned, cleaned


@dataclass(frozen=True, slots=True)
class Hole:
    """text[start:end] gives way to `before`, what the model writes, and `after`.

    The model reads `lead` in front of the hole, and it goes: the TODO that is to be done. A fill
    ends before the first of `stops`. `indent` is what the lines of a block begin with. All have LF.
    """

    start: int
    end: int
    shape: Shape
    before: str = ""
    after: str = ""
    lead: str = ""
    indent: str = ""
    stops: tuple[str, ...] = ()
    wanted: Wanted = Wanted.ANYTHING

    @property
    def is_plain(self) -> bool:
        """Whether what is written is all that goes in, right where it stands."""
        around = self.before, self.after, self.lead, self.indent, self.stops
        return self.shape is Shape.LINE and not any(around)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do: one request for all of `holes`, which are in order.

    `is_one_text`: what stands around the holes goes in as a whole, whichever of them stay empty.
    `is_documentation`: it is written as the language wants documentation to be written.
    """

    title: str
    document: Document
    holes: tuple[Hole, ...]
    is_one_text: bool = False
    is_documentation: bool = False

    @property
    def shape(self) -> Shape:
        blocks = any(hole.shape is Shape.BLOCK for hole in self.holes)
        return Shape.BLOCK if blocks else Shape.LINE

    def texts(self) -> tuple[str, ...]:
        """What the model reads: one text more than there are holes."""
        prefix, *between, suffix = self._around()
        fixed = [prefix, *between]
        texts = [
            (self.holes[number - 1].after if number else "") + text + hole.lead + hole.before
            for number, (hole, text) in enumerate(zip(self.holes, fixed, strict=True))
        ]
        return (*texts, self.holes[-1].after + suffix)

    def fitted(self, fills: tuple[str, ...]) -> tuple[str, ...]:
        """What becomes of each hole of the document; "" for one with nothing to put into it."""
        return self._fitted(fills, set())

    def ways_to_fit(self, fills: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """`fitted`; where that took a cut that may be wrong, without such cuts; and without
        repetitions that may be chance. As with ghost text the parser has the last word."""
        fired: set[str] = set()
        found = [self._fitted(fills, fired)]
        if not fired.isdisjoint(DISPUTABLE):
            found.append(self._fitted(fills, set(), without=DISPUTABLE))
        found.append(self._fitted(fills, set(), doubtful=True))
        return tuple(dict.fromkeys(found))

    def _fitted(self, fills: tuple[str, ...], fired: set[str], **how: Any) -> tuple[str, ...]:
        """As `fitted`, cleaned as `how` says; `fired` learns which filters changed something."""
        prefix, *between, suffix = self._around()
        rest = [*between, suffix]
        so_far, texts = prefix, []
        for number, (hole, fill) in enumerate(zip(self.holes, fills, strict=True)):
            so_far += hole.before
            later = "".join(
                each.after + text + following.before + raw
                for each, text, following, raw in zip(
                    self.holes[number:],
                    rest[number:],
                    self.holes[number + 1 :],
                    fills[number + 1 :],
                    strict=False,
                )
            )
            after = later + self.holes[-1].after + suffix
            raw = with_lf(fill)
            if self.is_documentation:
                raw = before_stops(raw, self.document.language)
            text = fit(raw, hole.shape, self.document.language, hole.stops)
            clean = self._cleaned(so_far, text, after, hole, **how)
            text = clean.text
            fired |= clean.fired
            if self._is_no_answer(text, hole):
                text = ""
                if self.is_documentation:  # nothing is documented without its first sentence
                    return ("",) * len(self.holes)
            so_far += text + hole.after + (rest[number] if number < len(between) else "")
            texts.append(text)
        return self._written(texts)

    def _written(self, texts: list[str]) -> tuple[str, ...]:
        """`texts` with what is written around them; nothing at all where none of them is any."""
        if not any(text.strip() for text in texts):
            return ("",) * len(self.holes)
        befores, afters = [hole.before for hole in self.holes], [hole.after for hole in self.holes]
        if self.is_documentation:
            befores, texts = written(befores, texts, afters, self.document.language)
        wholes = []
        for before, text, after in zip(befores, texts, afters, strict=True):
            whole = before + text + after if text.strip() else ""
            if self.is_one_text:
                whole = (before + text).rstrip(" \t") + after
            wholes.append(whole.replace("\n", self.document.newline))
        return tuple(wholes)

    def _is_no_answer(self, text: str, hole: Hole) -> bool:
        match hole.wanted:
            case Wanted.CODE:
                return is_placeholder(text, self.document.language)
            case Wanted.SUMMARY:
                return is_copied(text, self.document)
        return False

    def changes(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """`texts`, "" for a hole that holds that text already."""
        return tuple(
            "" if text == self.document.text[hole.start : hole.end] else text
            for hole, text in zip(self.holes, texts, strict=True)
        )

    def filled(self, texts: tuple[str, ...]) -> str:
        """The document's text with each of `texts` in its hole; "" leaves a hole as it is."""
        text, parts, at = self.document.text, [], 0
        for hole, new in zip(self.holes, texts, strict=True):
            parts += [text[at : hole.start], new or text[hole.start : hole.end]]
            at = hole.end
        return "".join(parts) + text[at:]

    def plain(self, text: str) -> str:
        """The document's text with `text` in every hole, and what is written around it."""
        return self.filled(self._written([text] * len(self.holes)))

    def gap(self, hole: Hole) -> Gap:
        return Gap(self.document, hole.start, hole.end, hole.shape, hole.indent)

    def _around(self) -> list[str]:
        """The document around the holes and between them, as near as fits, with LF."""
        first, last = self.holes[0].start, self.holes[-1].end
        prefix, suffix = Gap(self.document, first, last, self.shape, "").sides()
        between = [
            with_lf(self.document.text[hole.end : following.start])
            for hole, following in zip(self.holes, self.holes[1:], strict=False)
        ]
        return [prefix, *between, suffix]

    def _cleaned(self, prefix: str, text: str, suffix: str, hole: Hole, **how: Any) -> Cleaned:
        """As ghost text is cleaned, in the document that this plan makes."""
        old = self.document
        replaced = with_lf(old.text[hole.start : hole.end])
        whole = prefix + replaced + suffix
        made = Document(old.uri, old.version, old.language, whole, old.encoding)
        start, end = len(prefix), len(prefix) + len(replaced)
        return cleaned(text, Gap(made, start, end, hole.shape, hole.indent), **how)
