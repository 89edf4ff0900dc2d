"""Dense models with masked noise: Llama, Qwen2 and Qwen3 backbones that were taught to fill masks.

config         what config.json says, and what follows from that
masking        how each release was taught to fill masks, and which token the mask is
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
from engine.models.dense.fused import fuse
from engine.models.dense.masking import BLOCK_CAUSAL, WRITES_ON, masking_of
from engine.models.family import Family, refuse, register

Dense = CausalPrefix | Bidirectional


def _read(model_type: str, document: Mapping[str, Any]) -> Config:
    try:
        return read_config(model_type, document, masking_of(model_type, document))
    except KeyError as missing:
        raise ValueError(f"{missing} is missing") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a value has the wrong type ({error})") from None


def _build(config: Config) -> Dense:
    return (
        CausalPrefix(config)
        if config.masking.attention == "causal_prefix"
        else Bidirectional(config)
    )


def _prepare(model: Dense) -> Dense:
    if model.device.type != "cpu":
        return model
    if isinstance(model, CausalPrefix) and model.reader is not model:
        fuse(model.reader)
    return fuse(model)


for _model_type in MODEL_TYPES:
    register(Family(_model_type, Config, partial(_read, _model_type), _build, _prepare))

for _model_type in BLOCK_CAUSAL:
    refuse(_model_type, WRITES_ON)

__all__ = ["Bidirectional", "CausalPrefix", "Config", "Masking", "Text"]
