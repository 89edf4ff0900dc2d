"""Tiny random DiffusionGemma models, built by `transformers` and saved as it saves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion

from engine.checkpoints.load import load_model
from engine.checkpoints.tokenizer import read_tokenizer
from engine.models.diffusion_gemma import DiffusionGemma, training
from engine.training.settings import Settings

# No test asserts a time, not even hypothesis's own.
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=50)
hypothesis.settings.load_profile("untimed")

TEXT: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 40,
    "moe_intermediate_size": 24,
    "num_experts": 8,
    "top_k_experts": 2,
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_global_key_value_heads": 1,
    "global_head_dim": 32,
    "sliding_window": 8,
    "max_position_embeddings": 512,
    "final_logit_softcapping": 10.0,
    "use_bidirectional_attention": "vision",
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        "full_attention": {
            "rope_type": "proportional",
            "partial_rotary_factor": 0.25,
            "rope_theta": 1000.0,
        },
    },
}

VISION: dict[str, Any] = {**training.VISION, "patch_size": 2}


@dataclass(frozen=True, slots=True)
class Variant:
    """What changes in TEXT, and how loud the layers speak over the embeddings they add to."""

    text: dict[str, Any]
    loudness: float = 1.0


VARIANTS: dict[str, Variant] = {
    "routed": Variant({}),
    "two experts, both used": Variant({"num_experts": 2}),
    "four experts, two used": Variant({"num_experts": 4}),
    "one expert": Variant({"num_experts": 1, "top_k_experts": 1}),
    "no grouping of heads": Variant({"num_key_value_heads": 4, "num_global_key_value_heads": 4}),
    "kv heads alike": Variant({"num_global_key_value_heads": None}),
    "both layer types alike": Variant({"global_head_dim": 8, "num_global_key_value_heads": 2}),
    "three sliding layers in a row": Variant(
        {"layer_types": ["sliding_attention"] * 3 + ["full_attention"], "sliding_window": 5}
    ),
    # its canvases settle over several steps, as those of a trained model do
    "settling": Variant({"final_logit_softcapping": 30.0}, loudness=0.3),
}


@dataclass(frozen=True, slots=True)
class Oracle:
    """A variant as `transformers` runs it (float32, eager), and the folder it was saved to."""

    reference: Any
    folder: Path

    def ours(self, dtype: torch.dtype = torch.float32, device: str = "cpu") -> DiffusionGemma:
        return load_model(self.folder, device, dtype)


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Oracle]:
    """The oracle of a variant, built once."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    built: dict[str, Oracle] = {}

    def get(variant: str) -> Oracle:
        if variant not in built:
            folder = tmp_path_factory.mktemp("checkpoint")
            reference = _random_model(VARIANTS[variant])
            reference.save_pretrained(folder)
            built[variant] = Oracle(reference, folder)
        return built[variant]

    return get


def _random_model(variant: Variant) -> Any:
    config = DiffusionGemmaConfig(
        text_config={**TEXT, **variant.text}, vision_config=VISION, canvas_length=12
    )
    model = DiffusionGemmaForBlockDiffusion._from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(0)

    def normal(tensor: torch.Tensor, std: float, mean: float = 0.0) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std + mean)

    decoder = model.model.decoder
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if parameter.ndim == 1:  # norms, router.scale, per_expert_scale
                # attention is not scaled: the norm of q keeps its scores to a few units
                normal(parameter, 0.2, mean=0.3 if "q_norm" in name else 1.0)
            elif name == "embed_tokens.weight":
                normal(parameter, 0.5)
            elif name.endswith("router.proj.weight"):
                normal(parameter, 2.0)  # its input has length 1; near ties would flip by rounding
            else:
                normal(parameter, parameter.shape[-1] ** -0.5)
        for mine, encoders in zip(
            decoder.layers, model.model.encoder.language_model.layers, strict=True
        ):
            normal(mine.layer_scalar, 0.2, mean=0.8)
            encoders.layer_scalar.copy_(mine.layer_scalar)
            mine.post_attention_layernorm.weight.mul_(variant.loudness)
            mine.post_feedforward_layernorm.weight.mul_(variant.loudness)
    return model.eval()


def tiny_settings() -> Settings:
    """As the embedded model is trained, but tiny."""
    settings = Settings.read()
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "moe_intermediate_size": 24,
        "num_hidden_layers": 2,
        "head_dim": 8,
        "global_head_dim": 16,
        "sliding_window": 128,
        "canvas_length": 32,
        "max_position_embeddings": 512,
    }
    data = replace(
        settings.data,
        chunk_tokens=64,
        chunks=2,
        canvases=3,
        canvas_tokens=32,
        slot_tokens=(4, 8, 12),
        slack=True,
        head_tokens=10,
    )
    schedule = replace(
        settings.schedule,
        steps=4,
        causal_share=0.25,
        causal_chunks=4,
        self_conditioning_share=0.5,
        self_conditioning=1.0,
        warmup=1,
    )
    return replace(
        settings, seed=3, model={**settings.model, **shape}, data=data, schedule=schedule
    )


@dataclass(frozen=True, slots=True)
class Tiny:
    """A model as training starts it, tiny, with the tokenizer that ships."""

    settings: Settings
    model: DiffusionGemma
    tokenizer: Tokenizer
    tokenizer_path: Path


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    path = Path(__file__).parents[2] / "engine" / "embedded" / "tokenizer.json"
    settings = tiny_settings()
    model: Any = settings.new_model()
    return Tiny(settings, model.eval().requires_grad_(False), read_tokenizer(path), path)
