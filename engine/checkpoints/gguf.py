"""A folder whose weights are one GGUF file, as far as `transformers` reads it.

What the file says of the model and its vocabulary is read here; its weights are read, and made
floats, by `transformers`. A `config.json` or `tokenizer.json` beside it goes before what it says.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from engine.api import ModelMissing
from engine.checkpoints.files import Stored
from engine.packages import how_to_add

RUNTIME = "transformers"
NEEDED = (RUNTIME, "gguf")
INSTEAD = "fetch the model as safetensors"
# Types of tokens that are no text: control, and what a user added.
ADDED = (3, 4)


def gguf_of(folder: Path) -> Path | None:
    """The file; None where there is none, or safetensors to go before it. Raises ModelMissing where
    there are several."""
    found = sorted(folder.glob("*.gguf"))
    if not found or any(folder.glob("*.safetensors")):
        return None
    if len(found) > 1:
        raise ModelMissing(f"{folder} holds {len(found)} GGUF files; keep the one that is meant")
    return found[0]


def gguf_document(path: Path) -> dict[str, Any]:
    """What would be in a `config.json`, with "added_tokens" and the name of the file as "gguf".
    Raises ModelMissing saying what `transformers` has against the file."""
    _require(path)
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name).to_dict()
        texts, types = (_field(path, f"tokenizer.ggml.{name}") for name in ("tokens", "token_type"))
        mask = _field(path, "tokenizer.ggml.mask_token_id")
    except Exception as error:  # whatever its readers raise
        raise _unreadable(path, error) from error
    kinds = zip(texts or (), types or (), strict=False)
    added = {text: number for number, (text, kind) in enumerate(kinds) if kind in ADDED}
    told = {} if mask is None else {"mask_token_id": mask}
    return {**config, **told, "added_tokens": added, "gguf": path.name}


def gguf_tokenizer(path: Path) -> Tokenizer:
    """Raises ModelMissing as above."""
    _require(path)
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        return Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    except Exception as error:
        raise _unreadable(path, error) from error


def gguf_tensors(path: Path) -> dict[str, Stored]:
    """By the file's own names; of 16 bits, whatever they are packed as: so they are loaded."""
    _require(path)
    from gguf import GGUFReader

    try:
        tensors = GGUFReader(path).tensors
    except Exception as error:
        raise _unreadable(path, error) from error
    found = {}
    for tensor in tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape.tolist()))
        start = int(tensor.data_offset)
        end = start + 2 * math.prod(shape)
        found[tensor.name] = Stored(tensor.name, "BF16", shape, path, start, end)
    return found


def _field(path: Path, name: str) -> Any:
    from gguf import GGUFReader

    field = GGUFReader(path).get_field(name)
    return None if field is None else field.contents()


def _require(path: Path) -> None:
    for name in NEEDED:
        if find_spec(name) is None:
            raise ModelMissing(
                f"{path} is GGUF, which is read through {' and '.join(NEEDED)}, and {name} is not"
                f" installed; `{how_to_add(*NEEDED)}`, or {INSTEAD}"
            )


def _unreadable(path: Path, error: Exception) -> ModelMissing:
    brief = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ModelMissing(f"{path} is GGUF that transformers cannot read ({brief}); {INSTEAD}")


__all__ = ["RUNTIME", "gguf_document", "gguf_of", "gguf_tensors", "gguf_tokenizer"]
