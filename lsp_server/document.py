"""A document at one version: text, line index, and the exact way between positions and offsets.

Offsets are Python string indexes, positions are the client's: line and character in UTF-8, UTF-16
or UTF-32 units. Lines end at LF, CRLF and CR only. (`str.splitlines` knows eight more ends, which
is why pygls's own documents drift from the editor's after a form feed.)
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from lsprotocol import types as t
from lsprotocol.validators import INTEGER_MAX_VALUE
from pygls.uris import to_fs_path

_LINE_END = re.compile(r"\r\n|\n|\r")
_INDENT = re.compile(r"[ \t]*")
_SURROGATE = re.compile("[\ud800-\udfff]")

Encoding = t.PositionEncodingKind

# Versions from here on, which LSP does not allow, are counted here for clients that report none.
FIRST_OF_OURS = INTEGER_MAX_VALUE + 1


@dataclass(frozen=True, slots=True)
class Document:
    """An immutable snapshot. `edited` makes the next one.

    Two halves of a character outside the BMP, where they meet, are always one character in `text`:
    otherwise an offset counted in UTF-16 would not be the index it stands for.
    """

    uri: str
    version: int
    language: str
    text: str
    encoding: Encoding = Encoding.Utf16
    line_starts: Sequence[int] = field(repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        if not self.line_starts:
            object.__setattr__(self, "text", _with_pairs_joined(self.text))
            object.__setattr__(self, "line_starts", _line_starts(self.text))

    @property
    def path(self) -> str | None:
        """The file's path, or None where the document is no file (untitled, a notebook's cell)."""
        try:
            return to_fs_path(self.uri) if self.uri.startswith("file:") else None
        except ValueError:  # what stands for a host cannot be one
            return None

    @property
    def reported_version(self) -> int | None:
        """The version as the client knows it, None where it has reported none."""
        return self.version if self.version < FIRST_OF_OURS else None

    @property
    def newline(self) -> str:
        """How this document ends its lines: as its first line does."""
        if len(self.line_starts) == 1:
            return "\n"
        _, end = self.line_bounds(0)
        return self.text[end : self.line_starts[1]]

    def edited(self, changes: Iterable[t.TextDocumentContentChangeEvent], version: int) -> Document:
        """The document after `changes`, in order, each of them in the one before's positions."""
        document = self
        for change in changes:
            document = document._changed(change)
        return replace(document, version=version)

    def offset(self, position: t.Position) -> int:
        """The index of `position`, clamped: into the document, into its line, off half characters.

        A column past the end of a line is the end of that line, before what ends it.
        """
        if position.line >= len(self.line_starts):
            return len(self.text)
        start, end = self.line_bounds(position.line)
        return start + _units_to_index(self.text[start:end], position.character, self.encoding)

    def position(self, offset: int) -> t.Position:
        """The position of index `offset`, clamped into the document; inside a CRLF, before it."""
        offset = max(0, min(offset, len(self.text)))
        line = self.line_at(offset)
        start, end = self.line_bounds(line)
        units = count_units(self.text[start : min(offset, end)], self.encoding)
        return t.Position(line=line, character=units)

    def range(self, start: int, end: int) -> t.Range:
        return t.Range(start=self.position(start), end=self.position(end))

    def offsets(self, range: t.Range) -> tuple[int, int]:
        """Both ends of `range`, in order even where the client has them reversed."""
        start, end = self.offset(range.start), self.offset(range.end)
        return min(start, end), max(start, end)

    def line_at(self, offset: int) -> int:
        return bisect_right(self.line_starts, offset) - 1

    def line_bounds(self, line: int) -> tuple[int, int]:
        """Where line number `line` begins and where its content ends, before CR, LF or CRLF."""
        start = self.line_starts[line]
        if line + 1 == len(self.line_starts):
            return start, len(self.text)
        end = self.line_starts[line + 1]
        return start, end - (2 if self.text.startswith("\r\n", end - 2) and end - 2 >= start else 1)

    def line_text(self, line: int) -> str:
        start, end = self.line_bounds(line)
        return self.text[start:end]

    def indent(self, line: int) -> str:
        """The white space that line number `line` begins with. The line may be a long one."""
        start = self.line_starts[line]
        found = _INDENT.match(self.text, start)
        return found.group() if found is not None else ""

    def _changed(self, change: t.TextDocumentContentChangeEvent) -> Document:
        if isinstance(change, t.TextDocumentContentChangeWholeDocument):
            return replace(self, text=change.text, line_starts=())
        start, end = self.offsets(change.range)
        text = self.text[:start] + change.text + self.text[end:]
        around = self.text[max(0, start - 1) : start] + change.text + self.text[end : end + 1]
        if not around.isascii() and _SURROGATE.search(around):
            return replace(self, text=text, line_starts=())
        starts = _spliced_line_starts(self.line_starts, text, start, end, len(change.text))
        return replace(self, text=text, line_starts=starts)


def _line_starts(text: str) -> list[int]:
    return [0, *(end.end() for end in _LINE_END.finditer(text))]


def _spliced_line_starts(
    starts: Sequence[int], text: str, start: int, end: int, inserted: int
) -> list[int]:
    """The line index of `text`, in which [start, start + inserted) has replaced [start, end).

    Whether a line starts at s depends on the characters at s - 1 and s only, so what lies clear of
    the edit on either side is kept.
    """
    new_end = start + inserted
    shift = new_end - end
    scanned = (
        match.end()
        for match in _LINE_END.finditer(text, max(0, start - 1), min(len(text), new_end + 1))
    )
    return [
        *starts[: max(1, bisect_left(starts, start))],
        *(at for at in scanned if max(1, start) <= at <= new_end),
        *(at + shift for at in starts[bisect_right(starts, end) :]),
    ]


def _units_to_index(line: str, units: int, encoding: Encoding) -> int:
    if line.isascii() or encoding == Encoding.Utf32:
        return min(units, len(line))
    if encoding == Encoding.Utf8:
        data = line.encode("utf-8", "surrogatepass")
        units = min(units, len(data))
        while 0 < units < len(data) and data[units] & 0xC0 == 0x80:
            units -= 1
        return len(data[:units].decode("utf-8", "surrogatepass"))
    data = line.encode("utf-16-le", "surrogatepass")
    units = min(units, len(data) // 2)
    if 0 < units < len(data) // 2 and _is_low(data, units) and _is_high(data, units - 1):
        units -= 1
    return len(data[: 2 * units].decode("utf-16-le", "surrogatepass"))


def count_units(text: str, encoding: Encoding) -> int:
    if text.isascii() or encoding == Encoding.Utf32:
        return len(text)
    if encoding == Encoding.Utf8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_high(data: bytes, unit: int) -> bool:
    return data[2 * unit + 1] & 0xFC == 0xD8


def _is_low(data: bytes, unit: int) -> bool:
    return data[2 * unit + 1] & 0xFC == 0xDC


def _with_pairs_joined(text: str) -> str:
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
