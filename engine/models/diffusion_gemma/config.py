"""The shape of a DiffusionGemma model, as its `config.json` gives it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from engine.models.family import StepSize, Work
from engine.typed import check_types

SLIDING = "sliding_attention"
FULL = "full_attention"
SLIDING_PATTERN = 6  # without `layer_types`, every sixth layer is full

# What `transformers` assumes of keys that are not written. It leaves some out whenever they have
# their default, and which ones differs by its version.
DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 262_144,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 30,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
    "sliding_window": 512,
    "final_logit_softcapping": 30.0,
    "hidden_activation": "gelu_pytorch_tanh",
    "attention_bias": False,
    "use_bidirectional_attention": None,
}
DEFAULT_GLOBAL_HEAD_DIM = 512
DEFAULT_CANVAS_LENGTH = 256
DEFAULT_ROPE: Mapping[str, Any] = {
    SLIDING: {"rope_type": "default", "rope_theta": 10_000.0},
    FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}

PREFIX = "model.decoder."
EMBEDDING = "embed_tokens.weight"
# Routed experts are stored stacked, or one by one; then gate and up rows are two matrices.
STACKED = {
    "experts.gate_up_proj": ("gate_proj", "up_proj"),
    "experts.down_proj": ("down_proj",),
}


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary settings of one layer type."""

    theta: float
    rotated: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        if self.theta <= 0 or not 0 <= self.rotated <= 1:
            raise ValueError(f"a rotary base of {self.theta} over {self.rotated} of a head")


@dataclass(frozen=True, slots=True)
class Config:
    """The shape of a DiffusionGemma text model, in the words of its `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    moe_intermediate_size: int
    num_experts: int
    top_k_experts: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    num_global_key_value_heads: int
    global_head_dim: int
    layer_types: tuple[str, ...]
    sliding_window: int
    rope: Mapping[str, Rope]
    canvas_length: int
    max_position_embeddings: int
    rms_norm_eps: float = 1e-6
    final_logit_softcapping: float = 30.0

    def __post_init__(self) -> None:
        check_types(self)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{field.name} must be above 0, not {value!r}")
        unknown = set(self.layer_types) - {SLIDING, FULL}
        if unknown:
            raise ValueError(f"unknown layer types {sorted(unknown)}")
        if not self.layer_types or self.layer_types[-1] != FULL:
            raise ValueError("the last layer must be full_attention")
        for kind in self.layer_types:
            if kind not in self.rope:
                raise ValueError(f"rope_parameters lacks {kind}")
        if self.top_k_experts > self.num_experts:
            raise ValueError(f"top_k_experts {self.top_k_experts} > num_experts {self.num_experts}")

    @property
    def masked(self) -> None:
        return None

    def given(self, stored: Collection[str]) -> Config:
        return self

    def stored_as(self, name: str) -> tuple[str, ...]:
        return (PREFIX + name,)

    def parts_of(self, name: str) -> tuple[str, ...]:
        _, _, stack = name.rpartition("experts.")
        return STACKED.get("experts." + stack, ())

    def kv_shape(self, kind: str) -> tuple[int, int]:
        """KV heads and their size in layers of one type."""
        if kind == SLIDING:
            return self.num_key_value_heads, self.head_dim
        return self.num_global_key_value_heads, self.global_head_dim

    def context_bytes(self, tokens: int, item: int) -> int:
        """Every layer keeps the keys and values of all of them."""
        return sum(2 * tokens * item * math.prod(self.kv_shape(kind)) for kind in self.layer_types)

    def kept_bytes(self, step: StepSize, item: int) -> int:
        return 0

    def activation_bytes(self, step: StepSize, item: int) -> int:
        """Hidden states and the experts' insides of the widest pass."""
        tokens = max(step.tokens, step.context)
        inside = max(self.moe_intermediate_size * self.top_k_experts, self.intermediate_size)
        return tokens * (6 * self.hidden_size + 3 * inside) * item

    def weight_work(self, name: str, shape: tuple[int, ...], stored: float, step: StepSize) -> Work:
        """Of the experts only those are read that a token is routed to; routing is taken to be
        uniform."""
        size = math.prod(shape)
        if name == EMBEDDING:
            times = 1 + step.self_conditioning  # the head; the soft embedding
            return Work(stored * times, 2.0 * size * step.candidates * step.open * times)
        if ".experts." in name:
            chosen = self.top_k_experts / self.num_experts
            share = 1 - (1 - chosen) ** step.tokens
            return Work(stored * share, 2.0 * size * step.tokens * chosen)
        if name.startswith("self_conditioning.") and not step.self_conditioning:
            return Work(0.0, 0.0)
        return Work(stored, 2.0 * size * step.tokens if len(shape) > 1 else 0.0)

    def attention_work(self, step: StepSize, item: int) -> Work:
        """Sliding layers see the last window of the prompt, full ones all of it; both the
        canvas."""
        total = Work(0.0, 0.0)
        for kind in self.layer_types:
            seen = min(step.context, self.sliding_window - 1) if kind == SLIDING else step.context
            heads, size = self.kv_shape(kind)
            keys = seen + step.canvas
            total += Work(
                2.0 * heads * size * item * (seen + step.tokens),
                4.0 * self.num_attention_heads * size * step.tokens * keys,
            )
        return total

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Config:
        """Read the contents of a `config.json`, with the defaults of `transformers` for what is not
        there.

        Raises ValueError naming the key that is missing, is not understood, or asks for what this
        class does not do.
        """
        try:
            text = _with_defaults(document["text_config"])
            _refuse_unsupported(document, text)
            return cls._read(document, text)
        except KeyError as missing:
            raise ValueError(f"{missing} is missing") from None
        except (TypeError, AttributeError) as error:
            raise ValueError(f"a value has the wrong type ({error})") from None

    @classmethod
    def _read(cls, document: Mapping[str, Any], text: Mapping[str, Any]) -> Config:
        global_head_dim, global_kv_heads = _full_attention_shape(text)
        rope = {
            kind: Rope(parameters["rope_theta"], parameters.get("partial_rotary_factor", 1.0))
            for kind, parameters in text["rope_parameters"].items()
        }
        return cls(
            vocab_size=text["vocab_size"],
            hidden_size=text["hidden_size"],
            intermediate_size=text["intermediate_size"],
            moe_intermediate_size=text["moe_intermediate_size"],
            num_experts=text["num_experts"],
            top_k_experts=text["top_k_experts"],
            num_attention_heads=text["num_attention_heads"],
            num_key_value_heads=text["num_key_value_heads"],
            head_dim=text["head_dim"],
            num_global_key_value_heads=global_kv_heads,
            global_head_dim=global_head_dim,
            layer_types=tuple(text["layer_types"]),
            sliding_window=text["sliding_window"],
            rope=rope,
            canvas_length=document.get("canvas_length", DEFAULT_CANVAS_LENGTH),
            max_position_embeddings=text["max_position_embeddings"],
            rms_norm_eps=text["rms_norm_eps"],
            final_logit_softcapping=text["final_logit_softcapping"],
        )


def _with_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """`text_config` as `transformers` completes it. The experts' sizes have no default."""
    text = {**DEFAULTS, **given}
    if text.get("rope_parameters") is None:
        text["rope_parameters"] = DEFAULT_ROPE
    if text.get("layer_types") is None:
        last = text["num_hidden_layers"] - 1
        text["layer_types"] = [
            FULL if index == last or (index + 1) % SLIDING_PATTERN == 0 else SLIDING
            for index in range(text["num_hidden_layers"])
        ]
    elif "num_hidden_layers" in given and len(text["layer_types"]) != given["num_hidden_layers"]:
        raise ValueError(
            f"num_hidden_layers is {given['num_hidden_layers']!r}, and layer_types names"
            f" {len(text['layer_types'])}"
        )
    return text


def _full_attention_shape(text: Mapping[str, Any]) -> tuple[int, int]:
    """Head size and KV head count of the full layers, in either spelling of `text_config`.

    The released checkpoint names them (`global_head_dim`); transformers >= 5.20 writes overrides
    per layer instead, and leaves out those that equal the sliding layers' values.
    """
    kv_heads = text["num_key_value_heads"]
    if "per_layer_config" not in text:
        global_kv_heads = text.get("num_global_key_value_heads")
        head_dim = text.get("global_head_dim", DEFAULT_GLOBAL_HEAD_DIM)
        return head_dim, kv_heads if global_kv_heads is None else global_kv_heads
    overrides = {int(index): given for index, given in (text["per_layer_config"] or {}).items()}
    default = (text["head_dim"], kv_heads)
    shapes: dict[str, set[tuple[int, int]]] = {SLIDING: {default}, FULL: set()}
    for index, kind in enumerate(text["layer_types"]):
        given = overrides.get(index, {})
        if given.keys() - {"head_dim", "num_key_value_heads"}:
            raise ValueError(f"per_layer_config of layer {index} is not supported: {given}")
        shape = (given.get("head_dim", default[0]), given.get("num_key_value_heads", default[1]))
        shapes.setdefault(kind, set()).add(shape)
    if len(shapes[FULL]) > 1 or len(shapes[SLIDING]) > 1:
        raise ValueError("per_layer_config gives layers of one type different shapes")
    return next(iter(shapes[FULL]), default)


def _refuse_unsupported(document: Mapping[str, Any], text: Mapping[str, Any]) -> None:
    """What DiffusionGemma's released checkpoint does not use is not implemented: say so, rather
    than compute something else."""
    refused = {
        "attention_bias": text["attention_bias"] not in (None, False),
        "hidden_activation": text["hidden_activation"] != DEFAULTS["hidden_activation"],
        "use_bidirectional_attention": text["use_bidirectional_attention"] == "all",
        "tie_word_embeddings": document.get("tie_word_embeddings") is False,
        "rope_parameters": any(
            rope.get("rope_type", "default") not in ("default", "proportional")
            or rope.get("factor", 1.0) != 1.0
            for rope in text["rope_parameters"].values()
        ),
    }
    for key, is_refused in refused.items():
        if is_refused:
            value = document.get(key, text.get(key))
            raise ValueError(f"{key} = {value!r} is not supported")


__all__ = ["FULL", "SLIDING", "Config", "Rope"]
