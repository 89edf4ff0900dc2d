"""How documentation is laid out: by the language's custom, and as the file at hand has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from lsp_server.holes.signature import Signature

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
    match language:
        case "python":
            return _python(text)
        case "javascript" | "javascriptreact" | "typescript" | "typescriptreact":
            tags = partial(_tags, parameter="@param %s - ", gives="@returns ", throws="{%s} ")
            return _block(text, tags)
        case "java":
            return _block(text, _tags)
        case "c" | "cpp":
            mark = "\\" if re.search(r"\\(?:param|return|brief)\b", text) else "@"
            return _block(text, partial(_tags, mark=mark))
        case "rust":
            return Layout("/// ", "", _rustdoc)
        case "lua":
            spaced = (
                "-- " if re.search(r"^[ \t]*-- @(?:param|return)", text, re.MULTILINE) else "---"
            )
            return _if_custom(Layout(spaced, "", _tags), text, r"--+ ?@(?:param|return)", "---")
        case "ruby":
            return _if_custom(Layout("# ", "", _tags), text, r"# @(?:param|return)", "#")
    return None


def _python(text: str) -> Layout | None:
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
    return None if is_plain else Layout("", '\n{indent}"""', lines)


def _block(text: str, lines: Lines) -> Layout | None:
    return _if_custom(
        Layout(" * ", "\n{indent} */", lines), text, r"[@\\](?:param|returns?)\b", "/**"
    )


def _if_custom(layout: Layout, text: str, custom: str, comment: str) -> Layout | None:
    """None in a file whose comments that begin with `comment` have no such thing as `custom`."""
    is_plain = re.search(rf"^[ \t]*{re.escape(comment)}\s*\w", text, re.MULTILINE)
    return None if is_plain and not re.search(custom, text) else layout


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


def _tags(
    signature: Signature,
    _: str,
    parameter: str = "@param %s ",
    gives: str = "@return ",
    throws: str = "%s ",
    mark: str = "@",
) -> Iterator[str]:
    lines = [parameter % each.name for each in signature.parameters]
    lines += [gives] * signature.returns + ["@yields "] * signature.yields
    lines += ["@throws " + throws % each for each in signature.raises]
    yield from _section("", [line.replace("@", mark, 1) for line in lines])


def _rustdoc(signature: Signature, _: str) -> Iterator[str]:
    yield from _section("# Errors\n", [""] * bool(signature.raises))


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    """After a blank line."""
    for number, line in enumerate(lines):
        yield line if number else f"\n{title}\n{line}" if title else f"\n{line}"
