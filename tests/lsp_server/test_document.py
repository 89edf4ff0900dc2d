"""Positions, offsets and incremental edits, against an oracle that counts one unit at a time."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types as t

from lsp_server.document import Document

UTF8, UTF16, UTF32 = (
    t.PositionEncodingKind.Utf8,
    t.PositionEncodingKind.Utf16,
    t.PositionEncodingKind.Utf32,
)
ENCODINGS = (UTF8, UTF16, UTF32)
# Everything that str.splitlines splits at, both kinds of pairs, and lone surrogates.
ALPHABET = "ab \t\n\r\f\v\x1c\x1d\x1e\x85\u2028\u2029é\u0301漢🎉👩\u200d\ud83c\udf89"
texts = st.lists(st.sampled_from([*ALPHABET, "\r\n", "🎉"]), max_size=40).map("".join)
encodings = st.sampled_from(ENCODINGS)


def width(character: str, encoding: t.PositionEncodingKind) -> int:
    point = ord(character)
    if encoding == UTF8:
        return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
    return 2 if encoding == UTF16 and point >= 0x10000 else 1


def joined(text: str) -> str:
    """Adjacent surrogate halves as the one character they are."""
    return re.sub(
        "([\ud800-\udbff])([\udc00-\udfff])",
        lambda m: chr(0x10000 + ((ord(m[1]) - 0xD800) << 10) + ord(m[2]) - 0xDC00),
        text,
    )


def naive_offset(text: str, line: int, character: int, encoding: t.PositionEncodingKind) -> int:
    """Walks `text` one character at a time."""
    at = 0
    while line > 0:
        if at >= len(text):
            return len(text)
        if text[at] == "\n" or (text[at] == "\r" and text[at + 1 : at + 2] != "\n"):
            line -= 1
        at += 1
    while at < len(text) and text[at] not in "\r\n" and character >= width(text[at], encoding):
        character -= width(text[at], encoding)
        at += 1
    return at


def make(text: str, encoding: t.PositionEncodingKind = UTF16) -> Document:
    return Document("file:///a.py", 1, "python", text, encoding)


def edit(
    start: tuple[int, int], end: tuple[int, int], text: str
) -> t.TextDocumentContentChangePartial:
    return t.TextDocumentContentChangePartial(t.Range(t.Position(*start), t.Position(*end)), text)


@given(texts, st.integers(0, 45), st.integers(0, 60), encodings)
@settings(max_examples=400, deadline=None)
def test_an_offset_is_the_oracles(
    text: str, line: int, character: int, encoding: t.PositionEncodingKind
) -> None:
    document = make(text, encoding)
    position = t.Position(line, character)
    assert document.offset(position) == naive_offset(joined(text), line, character, encoding)
    assert position == t.Position(line, character), "the given position was changed"


@given(texts, encodings)
@settings(max_examples=200, deadline=None)
def test_every_offset_outside_a_crlf_round_trips(
    text: str, encoding: t.PositionEncodingKind
) -> None:
    document = make(text, encoding)
    for offset in range(len(document.text) + 1):
        inside_crlf = document.text[max(0, offset - 1) : offset + 1] == "\r\n"
        expected = offset - 1 if inside_crlf else offset
        assert document.offset(document.position(offset)) == expected


positions = st.tuples(st.integers(0, 12), st.integers(0, 12))
edits = st.lists(st.tuples(positions, positions, texts), max_size=6)


@given(texts, edits, encodings)
@settings(max_examples=300, deadline=None)
def test_edits_give_the_oracles_text_and_a_fresh_line_index(
    text: str,
    changes: list[tuple[tuple[int, int], tuple[int, int], str]],
    encoding: t.PositionEncodingKind,
) -> None:
    document, expected = make(text, encoding), joined(text)
    for version, (start, end, new) in enumerate(changes, 2):
        offsets = sorted(naive_offset(expected, *each, encoding) for each in (start, end))
        expected = joined(expected[: offsets[0]] + new + expected[offsets[1] :])
        document = document.edited([edit(start, end, new)], version)
        assert document.text == expected
        assert document.version == version
        assert list(document.line_starts) == list(make(expected).line_starts)


def test_several_changes_of_one_notification_follow_each_other() -> None:
    changes = [
        edit((0, 0), (0, 0), "ab\n"),
        edit((1, 0), (1, 1), "X"),
        t.TextDocumentContentChangeWholeDocument("whole\n"),
        edit((1, 0), (9, 9), "end"),
    ]
    document = make("c").edited(changes, 7)
    assert (document.text, document.version) == ("whole\nend", 7)


LINES = [
    ("", [""]),
    ("\n", ["", ""]),
    ("a\fb\u2028c\x85d\n", ["a\fb\u2028c\x85d", ""]),
    ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
    ("\r\r\n\n", ["", "", "", ""]),
    ("\n\r", ["", "", ""]),
]


@pytest.mark.parametrize(("text", "lines"), LINES)
def test_lines_end_at_lf_crlf_and_cr_only(text: str, lines: list[str]) -> None:
    document = make(text)
    assert [document.line_text(line) for line in range(len(document.line_starts))] == lines


NEWLINES = [("", "\n"), ("a", "\n"), ("a\nb\r\n", "\n"), ("a\r\nb\n", "\r\n"), ("a\rb", "\r")]


@pytest.mark.parametrize(("text", "newline"), NEWLINES)
def test_a_document_ends_lines_as_its_first_line_does(text: str, newline: str) -> None:
    assert make(text).newline == newline


PATHS = [
    ("file:///home/me/a%20b.py", "/home/me/a b.py"),
    ("untitled:Untitled-1", None),
    ("vscode-notebook-cell:/home/me/n.ipynb#W0", None),
]


@pytest.mark.parametrize(("uri", "path"), PATHS)
def test_the_path_of_a_document(uri: str, path: str | None) -> None:
    assert Document(uri, 1, "python", "").path == path


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("character", ["a", "é", "🎉"])
def test_a_line_of_a_megabyte(character: str, encoding: t.PositionEncodingKind) -> None:
    document = make(character * (1 << 20), encoding)
    middle = (1 << 19) * width(character, encoding)
    assert document.offset(t.Position(0, middle)) == 1 << 19
    assert document.position(1 << 19) == t.Position(0, middle)
    edited = document.edited([edit((0, middle), (0, middle), "\n")], 2)
    assert list(edited.line_starts) == [0, (1 << 19) + 1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_many_random_edits_of_a_long_document(encoding: t.PositionEncodingKind) -> None:
    draw = random.Random(7)
    expected = "".join(draw.choices([*ALPHABET[:17], "\r\n", "word "], k=3000))
    document = make(expected, encoding)
    for version in range(2, 300):
        start = (draw.randrange(900), draw.randrange(20))
        end = (start[0] + draw.choice([0, 0, 0, 1]), draw.randrange(20))
        new = "".join(draw.choices(ALPHABET[:17], k=draw.randrange(6)))
        offsets = sorted(naive_offset(expected, *each, encoding) for each in (start, end))
        expected = expected[: offsets[0]] + new + expected[offsets[1] :]
        document = document.edited([edit(start, end, new)], version)
    assert document.text == expected
    assert list(document.line_starts) == list(make(expected).line_starts)
