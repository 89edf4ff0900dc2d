"""What is no part of any file: special tokens, fences, marks of where a file begins or ends."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from lsp_server.suggest.clean.around import Around, lines_that_hold

_END = re.compile(r"<\|?(?:eos|pad|endoftext|im_end|file_sep|end_of_turn)\|?>|<\|eot_id\|>")
_TOKEN = re.compile(
    r"<\|(?:im_start|mask|fim_\w+|start|end|begin_of_text)\|>|<(?:fim_\w+|bos|unk|start_of_turn)>"
    r"|\[MASK\]|<unused\d+>|<\|MASK\|>"
)
_FENCE = re.compile(r"[ \t]*```[\w+#-]*[ \t]*(?:\n|$)")
_CLOSING_FENCE = re.compile(r"\n[ \t]*```[ \t]*(?=\n|$)")
_INVISIBLE = "\ufeff\u200b\u2060"
_END_OF_FILE = re.compile(r"(?:^|\n)[ \t]*(?:#|//|--|/\*|<!--)\s*end of file\b.*\Z", re.I | re.S)
_EMPTY_COMMENT = re.compile(r"\s*(?:#+|//+|--+|/\*+\s*\*+/|<!--\s*-->)\s*")
_COMMENT = re.compile(r"\s*(?:#|//|--|/\*|<!--)\s*")


def strip_special_tokens(text: str, around: Around) -> str:
    """Nothing after an end token, and no other token either; unless the file speaks of them."""
    end = next((m for m in _END.finditer(text) if not _is_known(m.group(), around)), None)
    text = text[: end.start()] if end is not None else text
    return _TOKEN.sub(lambda m: m.group() if _is_known(m.group(), around) else "", text)


def strip_code_fence(text: str, around: Around) -> str:
    """The model has answered in Markdown, where the file is none."""
    if around.language == "markdown" or "```" not in text or "```" in around.prefix[-2000:]:
        return text
    opening = _FENCE.match(text)
    text = text[opening.end() :] if opening is not None else text
    closing = _CLOSING_FENCE.search(text)
    return text[: closing.start()] if closing is not None else text


def strip_file_marks(text: str, around: Around) -> str:
    """No byte order mark, no comment that names the file or marks its end."""
    text = text.lstrip(_INVISIBLE)
    first, newline, more = text.partition("\n")
    name = PurePosixPath(around.path).name if around.path else None
    if name and newline and _COMMENT.match(first) and first.rstrip(" */->").endswith(name):
        text = more
    return _END_OF_FILE.sub("", text)


def drop_empty_comments(text: str, around: Around) -> str:
    """Empty comments are no fill."""
    lines = lines_that_hold(text)
    if not lines or around.line_before.strip():
        return text
    return "" if all(_EMPTY_COMMENT.fullmatch(line) for line in lines) else text


def _is_known(token: str, around: Around) -> bool:
    return token in around.prefix or token in around.suffix
