"""Dense models with masked noise: Llama, Qwen2 and Qwen3 backbones that were taught to fill masks.

config         what config.json says, and what follows from that
rope           how fast queries and keys turn with their position
backbone       the layers as one model: embeddings, the stack, the head
layers         what the stack is made of
causal_prefix  a prompt read causally, its keys and values kept
bidirectional  prompt and canvas read as one text, in both directions
fused          the layers as a CPU runs them fastest
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from engine.models.dense.bidirectional import Bidirectional, Text
from engine.models.dense.causal_prefix import CausalPrefix
from engine.models.dense.config import MODEL_TYPES, Config, Masking, read_config
from engine.models.family import Family, register

Dense = CausalPrefix | Bidirectional


def _read(model_type: str, document: Mapping[str, Any]) -> Config:
    return read_config(model_type, document, masking_of(model_type, document))


def masking_of(model_type: str, document: Mapping[str, Any]) -> Masking:
    """How the model of a `config.json` fills masks. Raises ValueError where nothing says that it
    does."""
    said = document.get("infill")
    if said is not None:
        return Masking(
            attention=said["attention"],
            shift=said.get("shift", False),
            mask=said["mask_token_id"],
            slack=said.get("slack_token_id"),
            expand=said.get("expand_token_id"),
        )
    if model_type == "Dream":
        return Masking("bidirectional", shift=True, mask=document["mask_token_id"])
    if model_type.startswith("a2d-"):
        return Masking("bidirectional", shift=False, mask=document.get("mask_token_id"))
    raise ValueError(
        "nothing says that this model fills gaps: it has no `infill`, as a language model that"
        " writes on from a text's end has none"
    )


def _build(config: Config) -> Dense:
    return (
        CausalPrefix(config)
        if config.masking.attention == "causal_prefix"
        else Bidirectional(config)
    )


for _model_type in MODEL_TYPES:
    register(Family(_model_type, Config, partial(_read, _model_type), _build))

__all__ = ["Bidirectional", "CausalPrefix", "Config", "Masking", "Text"]
