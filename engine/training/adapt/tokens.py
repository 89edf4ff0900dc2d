"""What the base's unused ids stand for, and where its tokenizer cuts a text."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Encoding, Tokenizer

DOCUMENT = 0  # <|endoftext|>: before a file, and after it
MASK, SLACK, END, PAD = 7, 8, 11, 12
FIRST_TEXT_TOKEN = 17
PROBE = "x"  # any letter: it shows where whitespace would end if a word followed


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in `folder`; to it the name of a special token in a text is only text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


def encode(tokenizer: Tokenizer, text: str) -> Encoding:
    """Ids and character offsets of `text`, nothing added."""
    return tokenizer.encode(text, add_special_tokens=False)


def open_end(tokenizer: Tokenizer, text: str) -> str:
    """The end of `text` whose tokens depend on what comes after it; "" where none do.

    The tokenizer joins the last space of a run to the word after it, and a newline to the
    indentation after it. So what is given back is the last space, the newlines, or else the last
    token. `text` had better begin where a token does.
    """
    if not text:
        return ""
    if not text[-1].isspace():
        return text[encode(tokenizer, text).offsets[-1][0] :]
    last = encode(tokenizer, text + PROBE).offsets[-1][0]
    if last < len(text):
        return text[last:]
    return text[encode(tokenizer, text).offsets[-1][0] :]
