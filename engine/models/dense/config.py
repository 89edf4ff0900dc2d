"""The shape of a dense model, as its `config.json` gives it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from engine.models.dense.rope import Rope
from engine.models.family import Masked, StepSize, Work

Attention = Literal["causal_prefix", "bidirectional"]

PREFIX = "model."
EMBEDDING = "embed_tokens.weight"
HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Masking:
    """How a model was taught to fill what is masked.

    `attention`: "causal_prefix" reads a prompt as a language model does and a canvas in both
    directions; "bidirectional" reads both as one text in both directions. With `shift` the logits
    of a position are those that the position before it gives.

    `mask` stands where a token is unknown. `slack` fills what a hole has too much of; `expand`
    becomes two masks. None where a model has no such token, or where nothing says which it is.

    `canvas_adapter`: the file of what is added to the weights for all that is not the prompt, which
    is read as the base reads; None where one set of weights reads both.
    """

    attention: Attention
    shift: bool
    mask: int | None = None
    slack: int | None = None
    expand: int | None = None
    canvas_adapter: str | None = None

    def __post_init__(self) -> None:
        if self.attention not in get_args(Attention):
            known = " or ".join(get_args(Attention))
            raise ValueError(f"attention = {self.attention!r} is not {known}")
        if self.attention == "causal_prefix" and self.shift:
            raise ValueError(
                "shift = true is not supported after a causal prefix: its last token would have to"
                " be read again with every canvas"
            )
        if self.canvas_adapter is not None:
            if self.attention != "causal_prefix":
                raise ValueError("canvas_adapter needs a prompt that is read by itself")
            if Path(self.canvas_adapter).name != self.canvas_adapter:
                raise ValueError(f"canvas_adapter = {self.canvas_adapter!r} is not a file's name")


@dataclass(frozen=True, slots=True)
class Config:
    """The shape of a Llama, Qwen2 or Qwen3, in the words of its `config.json` where it has them.

    `qkv_bias`, `output_bias` and `mlp_bias`: which projections add one. `qk_norm`: each head of
    query and key is normed. `tied`: the head is the embedding.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope: Rope
    qkv_bias: bool
    output_bias: bool
    mlp_bias: bool
    qk_norm: bool
    tied: bool
    masking: Masking

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (type(value) is not int or value < 1):
                raise ValueError(f"{field.name} must be a positive whole number, not {value!r}")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"{self.num_attention_heads} attention heads cannot share"
                f" {self.num_key_value_heads} key and value heads"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even, not {self.head_dim}")

    @property
    def masked(self) -> Masked | None:
        given = self.masking
        if given.mask is None:
            return None
        return Masked(
            mask=given.mask,
            slack=given.slack,
            expand=given.expand,
            shift=given.shift,
            keeps_prompt=given.attention == "causal_prefix",
            length=self.max_position_embeddings,
        )

    def stored_as(self, name: str) -> tuple[str, ...]:
        """A model that was saved without its head has no prefix either."""
        return (name,) if name == HEAD else (PREFIX + name, name)

    def parts_of(self, name: str) -> tuple[str, ...]:
        return ()

    def given(self, stored: Collection[str]) -> Config:
        """Some releases say that the head is tied, and store one of its own: that one counts."""
        return replace(self, tied=False) if self.tied and HEAD in stored else self

    def context_bytes(self, tokens: int, item: int) -> int:
        """Keys and values of every layer after a causal prefix; else the tokens."""
        if self.masking.attention == "bidirectional":
            return 8 * tokens
        return self._keys_and_values(tokens, item)

    def kept_bytes(self, step: StepSize, item: int) -> int:
        """A prompt's keys and values behind each canvas, where they depend on it."""
        if self.masking.attention == "causal_prefix":
            return 0
        return step.candidates * self._keys_and_values(step.context, item)

    def _keys_and_values(self, tokens: int, item: int) -> int:
        per_token = 2 * self.num_key_value_heads * self.head_dim
        return self.num_hidden_layers * per_token * tokens * item

    def activation_bytes(self, step: StepSize, item: int) -> int:
        """Hidden states, what attention reads and the MLP's inside of the widest pass, and the
        largest scores of one layer's attention, in float32."""
        heads = self.num_attention_heads + 2 * self.num_key_value_heads
        inside = max(2 * self.intermediate_size, 2 * heads * self.head_dim)
        if self.masking.attention == "bidirectional":
            row = step.context + step.canvas
            tokens, scores = step.candidates * row, step.candidates * row * row
        else:
            tokens = max(step.tokens, step.context)
            scores = step.tokens * (step.context + step.canvas)
        return tokens * (6 * self.hidden_size + inside) * item + 4 * scores

    def weight_work(self, name: str, shape: tuple[int, ...], stored: float, step: StepSize) -> Work:
        """An embedding is looked up, row by row; the head, which may be the same weight, is read
        whole for the open positions alone."""
        size = math.prod(shape)
        if name == HEAD or (name == EMBEDDING and self.tied):
            return Work(stored, 2.0 * size * step.candidates * step.open)
        if name == EMBEDDING:
            return Work(stored * min(1.0, self._tokens(step) / self.vocab_size), 0.0)
        return Work(stored, 2.0 * size * self._tokens(step) if len(shape) > 1 else 0.0)

    def attention_work(self, step: StepSize, item: int) -> Work:
        keys = step.context + step.canvas
        queries = self._tokens(step)
        # A causal prefix is the same for all canvases; any other is read with each of them anew.
        read = keys * step.candidates
        if self.masking.attention == "causal_prefix":
            read = step.context + step.tokens
        per_layer = (
            2.0 * self.num_key_value_heads * self.head_dim * item * read,
            4.0 * self.num_attention_heads * self.head_dim * queries * keys,
        )
        return Work(*(self.num_hidden_layers * each for each in per_layer))

    def _tokens(self, step: StepSize) -> int:
        """Those that a step computes."""
        if self.masking.attention == "causal_prefix":
            return step.tokens
        return step.candidates * (step.context + step.canvas)


def read_config(model_type: str, document: Mapping[str, Any], masking: Masking) -> Config:
    """What the contents of a `config.json` mean. Raises ValueError naming a key that asks for what
    this family does not do, KeyError for one that is missing, TypeError or AttributeError for a
    value of the wrong type."""
    _refuse_unsupported(document)
    return _read(document, _BACKBONES[model_type], masking)


@dataclass(frozen=True, slots=True)
class _Backbone:
    """What differs between the backbones: which projections add a bias, None where config.json
    says so; whether query and key are normed."""

    qkv_bias: bool | None
    output_bias: bool | None
    mlp_bias: bool | None
    qk_norm: bool


_LLAMA = _Backbone(qkv_bias=None, output_bias=None, mlp_bias=None, qk_norm=False)
_QWEN2 = _Backbone(qkv_bias=True, output_bias=False, mlp_bias=False, qk_norm=False)
_QWEN3 = _Backbone(qkv_bias=None, output_bias=None, mlp_bias=False, qk_norm=True)
_BACKBONES = {
    "llama": _LLAMA,
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "Dream": _QWEN2,
    "a2d-llama": _LLAMA,
    "a2d-qwen2": _QWEN2,
    "a2d-qwen3": _QWEN3,
}
MODEL_TYPES = tuple(_BACKBONES)


def _read(document: Mapping[str, Any], backbone: _Backbone, masking: Masking) -> Config:
    heads = document["num_attention_heads"]
    hidden = document["hidden_size"]
    of_attention = bool(document.get("attention_bias"))
    of_mlp = bool(document.get("mlp_bias"))
    head_dim = document.get("head_dim") or hidden // heads
    positions = document["max_position_embeddings"]
    return Config(
        vocab_size=document["vocab_size"],
        hidden_size=hidden,
        intermediate_size=document["intermediate_size"],
        num_hidden_layers=document["num_hidden_layers"],
        num_attention_heads=heads,
        num_key_value_heads=document.get("num_key_value_heads") or heads,
        head_dim=head_dim,
        max_position_embeddings=positions,
        rms_norm_eps=float(document["rms_norm_eps"]),
        rope=Rope.from_json(document, positions),
        qkv_bias=of_attention if backbone.qkv_bias is None else backbone.qkv_bias,
        output_bias=of_attention if backbone.output_bias is None else backbone.output_bias,
        mlp_bias=of_mlp if backbone.mlp_bias is None else backbone.mlp_bias,
        qk_norm=backbone.qk_norm,
        tied=bool(document.get("tie_word_embeddings", False)),
        masking=masking,
    )


def _refuse_unsupported(document: Mapping[str, Any]) -> None:
    slides = "sliding_attention" in (document.get("layer_types") or ())
    refused = {
        "hidden_act": document.get("hidden_act", "silu") not in ("silu", "swish"),
        "use_sliding_window": bool(document.get("use_sliding_window")),
        "layer_types": slides,
        "pretraining_tp": document.get("pretraining_tp", 1) != 1,
    }
    for key, is_refused in refused.items():
        if is_refused:
            raise ValueError(f"{key} = {document.get(key)!r} is not supported")


__all__ = ["MODEL_TYPES", "Attention", "Config", "Masking", "read_config"]
