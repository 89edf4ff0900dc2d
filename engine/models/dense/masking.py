"""How each release was taught to fill masks, and where it says so.

ours            `infill` in config.json: attention, shift, and the tokens' ids
Dream           model_type Dream; `mask_token_id` in config.json
DreamOn         the same, and a token that grows a hole: `expand_token_id` in generation_config.json
                or config.json, or one that the tokenizer adds; what deletes is the end of a text
Tiny-A2D        model_type a2d-*; the mask is a token that the tokenizer adds
Open-dCoder     a plain qwen2; the mask is a token that the tokenizer adds
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.models.dense.config import Masking

A2D_MASK = "<|mask|>"
OPEN_DCODER_MASK = "<M>"
DREAM_ON_EXPAND = "<|expand|>"

# Their canvas is causal block by block.
BLOCK_CAUSAL = ("Fast_dLLM_Qwen", "llada2_moe", "sdar", "sdar_moe")
WRITES_ON = (
    "it fills block after block and does not see what follows the gap; choose a model whose"
    " attention is bidirectional"
)


def masking_of(model_type: str, document: Mapping[str, Any]) -> Masking:
    """How the model of a `config.json` fills masks, with "added_tokens" and "generation_config" as
    engine.models.family.Family has them. Raises ValueError where nothing says that it does,
    KeyError where it does not say which token masks."""
    added = document.get("added_tokens") or {}
    given = document.get("infill")
    if given is not None:
        return Masking(
            attention=given["attention"],
            shift=given.get("shift", False),
            mask=given["mask_token_id"],
            slack=given.get("slack_token_id"),
            expand=given.get("expand_token_id"),
            canvas_adapter=given.get("canvas_adapter"),
        )
    if model_type == "Dream":
        return _dream(document, added)
    if model_type.startswith("a2d-"):
        mask = document.get("mask_token_id")
        return Masking("bidirectional", shift=False, mask=added[A2D_MASK] if mask is None else mask)
    if model_type == "qwen2" and OPEN_DCODER_MASK in added:
        return Masking("bidirectional", shift=True, mask=added[OPEN_DCODER_MASK])
    raise ValueError(
        f"nothing says that this {model_type} model fills gaps: it has neither `infill` in its"
        " config.json nor a mask among its tokens, as a language model that only writes on has none"
    )


def _dream(document: Mapping[str, Any], added: Mapping[str, int]) -> Masking:
    both = {**document, **(document.get("generation_config") or {})}
    expand = both.get("expand_token_id", added.get(DREAM_ON_EXPAND))
    # Of a release that cannot grow a hole, nothing was taught to shrink one either.
    delete = None if expand is None else both.get("delete_token_id", both.get("eos_token_id"))
    return Masking(
        "bidirectional", shift=True, mask=both["mask_token_id"], slack=delete, expand=expand
    )


__all__ = ["BLOCK_CAUSAL", "WRITES_ON", "masking_of"]
