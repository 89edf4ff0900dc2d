"""Text <-> tokens."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from engine.api import ModelMissing


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`; no text ever turns into special tokens."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise ModelMissing(f"cannot read {path} ({error}); fetch the model again") from error
    tokenizer.encode_special_tokens = True
    return tokenizer
