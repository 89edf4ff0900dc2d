"""Text <-> tokens."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from engine.api import ModelMissing
from engine.checkpoints.added_tokens import added_tokens
from engine.checkpoints.files import AGAIN, read_json
from engine.checkpoints.gguf import gguf_of, gguf_tokenizer

# How Qwen2's tokenizer, and those made from it, cut a text before they merge bytes: as
# `transformers` has it (models/qwen2/tokenization_qwen2.py).
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer_of(folder: Path) -> Tokenizer:
    """The tokenizer of a model folder: its `tokenizer.json`, or what Dream and its kin ship
    instead, `vocab.json` and `merges.txt` of Qwen2's kind, or that of a GGUF file. No text ever
    turns into special tokens.

    Raises ModelMissing naming the file that is absent or damaged.
    """
    parts = folder / "vocab.json", folder / "merges.txt"
    packed = gguf_of(folder)
    if packed is not None and not (folder / "tokenizer.json").exists():
        tokenizer = gguf_tokenizer(packed)
        tokenizer.encode_special_tokens = True
        return tokenizer
    if (folder / "tokenizer.json").exists() or not all(part.exists() for part in parts):
        return read_tokenizer(folder / "tokenizer.json")
    return _of_parts(folder, *parts)


def read_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer.json`; no text ever turns into special tokens."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise ModelMissing(f"cannot read {path} ({error}); {AGAIN}") from error
    tokenizer.encode_special_tokens = True
    return tokenizer


def _of_parts(folder: Path, vocabulary: Path, merges: Path) -> Tokenizer:
    added = added_tokens(folder)
    # As part of the vocabulary an added token keeps its id; else they would be numbered anew.
    ids = {**read_json(vocabulary), **added}
    try:
        pairs = [
            (left, right)
            for line in merges.read_text(encoding="utf-8").splitlines()
            if line.strip() and not line.startswith("#version")
            for left, right in [line.split(" ")]
        ]
        tokenizer = Tokenizer(BPE(vocab=ids, merges=pairs))
    except OSError as error:
        raise ModelMissing(f"cannot read {merges}: {error.strerror or error}; {AGAIN}") from error
    except Exception as error:  # ours of a line that is no pair, the library's bare Exception
        raise ModelMissing(
            f"{merges} and {vocabulary.name} do not fit ({error}); {AGAIN}"
        ) from error
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(sorted(added, key=lambda text: added[text]))
    tokenizer.encode_special_tokens = True
    return tokenizer


__all__ = ["read_tokenizer", "tokenizer_of"]
