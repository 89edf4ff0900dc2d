"""Tiny random Llama, Qwen2 and Qwen3 models, built by `transformers` and saved as it saves them,
with what says that they fill gaps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from engine.checkpoints.load import load_model

CLASSES: dict[str, tuple[Any, Any]] = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
SHAPE: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0},
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
MASK, SLACK = 7, 8


def scaled(kind: str, **values: Any) -> dict[str, Any]:
    given = {"rope_type": kind, "rope_theta": 1000.0, "factor": 4.0, **values}
    return {"rope_parameters": given}


@dataclass(frozen=True, slots=True)
class Backbone:
    """A class of `transformers`, and what changes in SHAPE."""

    name: str
    kind: str
    shape: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


BACKBONES = [
    Backbone("llama", "llama"),
    Backbone("llama, a bias everywhere", "llama", {"attention_bias": True, "mlp_bias": True}),
    Backbone("llama, heads of their own size", "llama", {"head_dim": 12}),
    Backbone("llama, one head of keys", "llama", {"num_key_value_heads": 1}),
    Backbone("llama, a head of keys for each", "llama", {"num_key_value_heads": 4}),
    Backbone("llama, its own head", "llama", {"tie_word_embeddings": False}),
    Backbone("llama, linear positions", "llama", scaled("linear")),
    Backbone(
        "llama 3's positions",
        "llama",
        scaled(
            "llama3",
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=64,
        ),
    ),
    Backbone("yarn", "qwen2", scaled("yarn", original_max_position_embeddings=64)),
    Backbone(
        "yarn, all of it said",
        "qwen3",
        scaled(
            "yarn",
            original_max_position_embeddings=64,
            beta_fast=16.0,
            beta_slow=2.0,
            mscale=0.7,
            mscale_all_dim=1.3,
            truncate=False,
        ),
    ),
    Backbone("qwen2", "qwen2"),
    Backbone("qwen2, its own head", "qwen2", {"tie_word_embeddings": False}),
    Backbone("qwen3", "qwen3", {"head_dim": 16}),
    Backbone(
        "qwen3, a bias, its own head",
        "qwen3",
        {"attention_bias": True, "tie_word_embeddings": False},
    ),
]
BY_NAME = {each.name: each for each in BACKBONES}


def reference(backbone: Backbone, dtype: torch.dtype = torch.float32, seed: int = 0) -> Any:
    """As `transformers` runs it, its weights at random: norms too, and biases."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    config_class, model_class = CLASSES[backbone.kind]
    config = config_class(**{**SHAPE, **backbone.shape})
    model = model_class._from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name:
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed" in name or "lm_head" in name:
                parameter.copy_(0.5 * noise)
            else:
                parameter.copy_(1.5 * noise * parameter.shape[-1] ** -0.5)
    return model.eval().to(dtype)


def save(model: Any, folder: Path, infill: dict[str, Any] | None, **options: Any) -> Path:
    model.save_pretrained(folder, **options)
    if infill is not None:
        path = folder / "config.json"
        document = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps({**document, "infill": infill}), "utf-8")
    return folder


def infill(attention: str, shift: bool = False) -> dict[str, Any]:
    return {
        "attention": attention,
        "shift": shift,
        "mask_token_id": MASK,
        "slack_token_id": SLACK,
    }


def ours(model: Any, folder: Path, how: dict[str, Any], dtype: torch.dtype = torch.float32) -> Any:
    return load_model(save(model, folder, how), "cpu", dtype)


@torch.no_grad()
def logits_of(model: Any, texts: Tensor, sees: Tensor, places: Tensor | None = None) -> Tensor:
    """What `model` of `transformers` gives for `texts` [B, T] at `places` [B, T], or in a row,
    where `sees` [T, T] is True: a mask of four dimensions, which it takes as it is."""
    mask = torch.zeros(sees.shape, dtype=model.dtype).masked_fill(
        ~sees, torch.finfo(model.dtype).min
    )
    mask = mask.expand(len(texts), 1, -1, -1)
    logits: Tensor = model(input_ids=texts, attention_mask=mask, position_ids=places).logits
    return logits


def sees_canvas(prompt: int, canvas: int, attention: str) -> Tensor:
    """[T, T], who looks at whom in a text of `prompt` tokens and a canvas of `canvas`."""
    length = prompt + canvas
    sees = torch.ones(length, length, dtype=torch.bool)
    if attention == "causal_prefix":
        sees[:prompt] = torch.ones(prompt, length, dtype=torch.bool).tril()
    return sees


def canvas_logits(model: Any, prompt: Tensor, canvas: Tensor, how: dict[str, Any]) -> Tensor:
    """[B, C, V] of `canvas` [B, C] after `prompt` [P]."""
    texts = torch.cat((prompt.expand(len(canvas), -1), canvas), dim=1)
    sees = sees_canvas(len(prompt), canvas.shape[1], how["attention"])
    logits = logits_of(model, texts, sees)
    if how["shift"]:
        logits = torch.cat((logits[:, :1], logits[:, :-1]), dim=1)
    return logits[:, len(prompt) :]
