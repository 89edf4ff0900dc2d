"""What a model folder's tokenizer adds to its vocabulary, wherever the folder says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.api import ModelMissing
from engine.checkpoints.files import AGAIN, read_json


def added_tokens(folder: Path) -> dict[str, int]:
    """Ids by text, of `tokenizer.json`, `tokenizer_config.json` and `added_tokens.json`, as far as
    they are there. Raises ModelMissing naming a file that is damaged."""
    return {
        **_read(folder / "tokenizer.json", _of_tokenizer),
        **_read(folder / "tokenizer_config.json", _of_settings),
        **_read(folder / "added_tokens.json", _of_list),
    }


def named_tokens(folder: Path) -> dict[str, int]:
    """Ids of the tokens that `tokenizer_config.json` names: "bos_token", "eos_token", "pad_token"
    and the like, where it names one that the tokenizer knows."""
    settings = folder / "tokenizer_config.json"
    if not settings.exists():
        return {}
    known = added_tokens(folder)
    named = {
        role: given.get("content") if isinstance(given, dict) else given
        for role, given in read_json(settings).items()
        if role.endswith("_token")
    }
    return {
        role: known[text] for role, text in named.items() if isinstance(text, str) and text in known
    }


def _of_tokenizer(document: dict[str, Any]) -> dict[str, int]:
    return {str(each["content"]): int(each["id"]) for each in document.get("added_tokens") or ()}


def _of_settings(document: dict[str, Any]) -> dict[str, int]:
    decoder = document.get("added_tokens_decoder") or {}
    return {str(each["content"]): int(number) for number, each in decoder.items()}


def _of_list(document: dict[str, Any]) -> dict[str, int]:
    return {text: int(number) for text, number in document.items()}


def _read(path: Path, read: Any) -> dict[str, int]:
    if not path.exists():
        return {}
    try:
        found: dict[str, int] = read(read_json(path))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelMissing(f"{path} lists added tokens in no known way; {AGAIN}") from error
    return found


__all__ = ["added_tokens", "named_tokens"]
