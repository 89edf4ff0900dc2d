"""Documentation as its language wants it written: what would end it or change it, said otherwise.

A model writes source code, and mostly escapes what has to be. What is left is mended here:

    Python  a backslash that is no escape, as in C:\\Users: the literal becomes a raw one; where
            that cannot end as the text does, backslashes are doubled, the last quote escaped
    Java    \\u begins a Unicode escape even in a comment: &#92;u
    in /** */   the end of the comment inside of a path, as in src/**/*.ts: *\\/, in Java *&#47;
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsp_server import languages

# Backslashes that somebody has escaped, and a quote that is: a plain literal means them.
_ESCAPED = re.compile(r"\\[\\\"']")
_UNESCAPED = re.compile(r"\\([\\\"'])")
QUOTES = ('"""', "'''")
_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\(?=u)")
# `*/` with more of a path on both sides ends no comment that anybody has written.
_PATH_END = re.compile(r"(?<=\S)\*/(?=[\w*.{\[])")


def before_stops(text: str, language: str) -> str:
    """`text` without what only looks like the end of the comment that it stands in."""
    path_end = languages.of(language).documentation.path_end
    return text if path_end is None else _PATH_END.sub(lambda _: path_end, text)


def written(
    befores: Sequence[str], texts: Sequence[str], afters: Sequence[str], language: str
) -> tuple[list[str], list[str]]:
    """`befores` and `texts` of a documentation's holes as `language` has to have them.

    `befores[0]` ends with what opens the documentation, and what ends it begins `afters[-1]`, where
    these are not in the document already.
    """
    befores, texts = list(befores), list(texts)
    known = languages.of(language)
    if (backslash := known.documentation.backslash) is not None:
        texts = [_UNICODE_ESCAPE.sub(rf"\1{backslash}", text) for text in texts]
    if known.has_docstrings and befores[0].endswith(QUOTES):
        befores[0], texts = _docstring(befores[0], texts, afters[-1])
    return befores, texts


def _docstring(opening: str, texts: list[str], closing: str) -> tuple[str, list[str]]:
    """A plain literal where the texts are written for one, else a raw one where it can be."""
    quotes = opening[-3:]
    is_tight = closing.startswith(quotes)  # on the line where the last text ends
    if not all(map(_is_escaped, texts)):
        raw = [_UNESCAPED.sub(r"\1", text) if _is_escaped(text) else text for text in texts]
        ends_well = not (is_tight and raw[-1].rstrip().endswith(("\\", quotes[0])))
        if ends_well and not any(quotes in text for text in raw):
            return f"{opening[:-3]}r{quotes}", raw
        texts = [text if _is_escaped(text) else text.replace("\\", "\\\\") for text in texts]
    if is_tight:
        texts[-1] = _with_end(texts[-1], quotes[0])
    return opening, texts


def _is_escaped(text: str) -> bool:
    return "\\" not in _ESCAPED.sub("", text)


def _with_end(text: str, quote: str) -> str:
    """`text` so that its last character is not taken for one of the closing quotes."""
    text = text.rstrip()
    body = text.removesuffix(quote)
    escapes = len(body) - len(body.rstrip("\\"))
    return f"{body}\\{quote}" if body != text and escapes % 2 == 0 else text
