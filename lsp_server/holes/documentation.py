"""How documentation is laid out: by the language's custom, and as the file at hand has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from lsp_server import languages
from lsp_server.holes.signature import Signature
from lsp_server.languages.language import Documentation, Sections, Tags

# A canvas holds so many holes beside the summary's; a longer list is for the user to go on with.
MOST_LINES = 12

# Of a signature and one level of indentation: what stands before each hole but the summary's.
Lines = Callable[[Signature, str], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Each line but the first begins with `margin`; `end` ends a comment of several lines."""

    margin: str
    end: str
    lines: Lines

    def between(self, signature: Signature, indent: str, unit: str) -> tuple[str, ...]:
        """What stands before each hole but the summary's, from the end of the line before on."""
        margin = indent + self.margin
        pieces = []
        for piece in islice(self.lines(signature, unit), MOST_LINES):
            *above, line = (f"\n{margin}{each}" for each in piece.split("\n"))
            pieces.append("".join(each.rstrip(" \t") for each in above) + line)
        return tuple(pieces)


def layout_of(language: str, text: str) -> Layout | None:
    """How a file with this `text` documents its functions; None where one sentence does."""
    known = languages.of(language).documentation
    match known.sections:
        case Sections.HEADED:
            return _headed(known, text)
        case Sections.ERRORS:
            return Layout(known.margin, known.end, _errors)
        case Sections.TAGS if known.tags is not None:
            return _tagged(known, known.tags, text)
    return None


def _headed(known: Documentation, text: str) -> Layout | None:
    """The style that the file has most of; Google's where nothing is documented yet."""
    counts = {
        _google: len(re.findall(r"^[ \t]*(?:Args|Returns|Raises|Yields):\s*$", text, re.MULTILINE)),
        _numpy: len(
            re.findall(r"^[ \t]*(?:Parameters|Returns|Raises)\r?\n\s*---", text, re.MULTILINE)
        ),
        _sphinx: len(re.findall(r"^[ \t]*:(?:param|returns?|raises)\b", text, re.MULTILINE)),
    }
    lines = max(counts, key=lambda each: counts[each])
    is_plain = not counts[lines] and re.search(r'^[ \t]+[rR]?"""\s*\w', text, re.MULTILINE)
    return None if is_plain else Layout(known.margin, known.end, lines)


def _tagged(known: Documentation, tags: Tags, text: str) -> Layout | None:
    """None in a file that documents without tags."""
    is_plain = re.search(rf"^[ \t]*{re.escape(tags.comment)}\s*\w", text, re.MULTILINE)
    if is_plain and not re.search(tags.custom, text):
        return None
    mark = _in_this_file(tags.other_mark, text, "@")
    margin = _in_this_file(tags.other_margin, text, known.margin)
    return Layout(margin, known.end, partial(_tags, tags=tags, mark=mark))


def _in_this_file(other: tuple[str, str] | None, text: str, usual: str) -> str:
    is_other = other is not None and re.search(other[0], text, re.MULTILINE)
    return other[1] if other is not None and is_other else usual


def _google(signature: Signature, unit: str) -> Iterator[str]:
    yield from _section("Args:", [f"{unit}{each.name}: " for each in signature.parameters])
    yield from _section("Returns:", [unit] * signature.returns)
    yield from _section("Yields:", [unit] * signature.yields)
    yield from _section("Raises:", [f"{unit}{each}: " for each in signature.raises])


def _numpy(signature: Signature, unit: str) -> Iterator[str]:
    named = [
        f"{each.name} : {each.type}" if each.type else each.name for each in signature.parameters
    ]
    yield from _section("Parameters\n----------", [f"{each}\n{unit}" for each in named])
    yield from _section("Returns\n-------", [unit] * signature.returns)
    yield from _section("Yields\n------", [unit] * signature.yields)
    yield from _section("Raises\n------", [f"{each}\n{unit}" for each in signature.raises])


def _sphinx(signature: Signature, _: str) -> Iterator[str]:
    lines = [f":param {each.name}: " for each in signature.parameters]
    lines += [":returns: "] * signature.returns + [":yields: "] * signature.yields
    yield from _section("", [*lines, *(f":raises {each}: " for each in signature.raises)])


def _tags(signature: Signature, _: str, tags: Tags, mark: str) -> Iterator[str]:
    lines = [tags.parameter % each.name for each in signature.parameters]
    lines += [tags.returns] * signature.returns + ["@yields "] * signature.yields
    lines += [tags.raises % each for each in signature.raises]
    yield from _section("", [line.replace("@", mark, 1) for line in lines])


def _errors(signature: Signature, _: str) -> Iterator[str]:
    yield from _section("# Errors\n", [""] * bool(signature.raises))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """After a blank line."""
    for number, line in enumerate(lines):
        yield line if number else f"\n{title}\n{line}" if title else f"\n{line}"
