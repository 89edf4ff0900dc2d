"""How long does `transformers` take for a denoising step, with the weights that ours has?

    python benchmarks/with_transformers.py [--context 2048] [--tiny]

Prints a line of JSON as soon as it knows something: how near our logits come to theirs, then the
milliseconds of a step as its `generate` does it, uncompiled with a dynamic cache and compiled with
a static one. The weights are random, in bfloat16, and both models hold the very same tensors: one
copy of 52 GB has to fit. A step's time is the difference between many steps and one, over their
number.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from random_model import LARGE, TINY, random_model

from engine.models.diffusion_gemma import SLIDING, Config, DiffusionGemma
from engine.models.diffusion_gemma.training import VISION

STEPS, REPEATS = 9, 3


def twin(model: DiffusionGemma) -> Any:
    """The `transformers` model made of our model's own tensors, encoder and decoder alike."""
    from transformers import DiffusionGemmaForBlockDiffusion

    with torch.device("meta"):
        theirs = DiffusionGemmaForBlockDiffusion(_config(model.config)).to(torch.bfloat16)
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    text = theirs.config.text_config
    sides = theirs.model.decoder, theirs.model.encoder.language_model
    for side in sides:
        for name, _ in list(side.named_parameters()):
            path, _, leaf = name.rpartition(".")
            setattr(side.get_submodule(path), leaf, nn.Parameter(own[name], requires_grad=False))
        for name, _ in list(side.named_buffers()):
            path, _, leaf = name.rpartition(".")
            if name in own:
                setattr(side.get_submodule(path), leaf, own[name])
        side.rotary_emb = type(side.rotary_emb)(text, device=model.device)
        scale = torch.tensor(text.hidden_size**0.5, device=model.device)
        side.embed_tokens.embed_scale = scale
    theirs.lm_head.weight = theirs.model.decoder.embed_tokens.weight
    theirs.model.encoder.vision_tower.to_empty(device=model.device)
    theirs.model.encoder.embed_vision.to_empty(device=model.device)
    return theirs.eval()


def _config(config: Config) -> Any:
    from transformers import DiffusionGemmaConfig

    rope = {
        kind: {
            "rope_type": "default" if kind == SLIDING else "proportional",
            "rope_theta": given.theta,
            **({} if kind == SLIDING else {"partial_rotary_factor": given.rotated}),
        }
        for kind, given in config.rope.items()
    }
    text = {
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "moe_intermediate_size": config.moe_intermediate_size,
        "num_experts": config.num_experts,
        "top_k_experts": config.top_k_experts,
        "num_hidden_layers": len(config.layer_types),
        "layer_types": list(config.layer_types),
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": config.head_dim,
        "num_global_key_value_heads": config.num_global_key_value_heads,
        "global_head_dim": config.global_head_dim,
        "sliding_window": config.sliding_window,
        "max_position_embeddings": config.max_position_embeddings,
        "final_logit_softcapping": config.final_logit_softcapping,
        "use_bidirectional_attention": "vision",
        "rope_parameters": rope,
    }
    return DiffusionGemmaConfig(
        text_config=text, vision_config=VISION, canvas_length=config.canvas_length
    )


@torch.no_grad()
def disagreement(model: DiffusionGemma, theirs: Any, prompt: Tensor) -> float:
    """Relative distance of our logits from theirs, the median over a canvas."""
    from transformers import DynamicCache

    config = model.config
    canvas = torch.randint(config.vocab_size, (1, config.canvas_length), device=model.device)
    cache = DynamicCache(config=theirs.config.text_config)
    theirs.model.encoder(input_ids=prompt, past_key_values=cache)
    truth = theirs(decoder_input_ids=canvas, past_key_values=cache).logits
    ours = model.decode(canvas, model.encode(prompt))
    return float(((ours - truth).norm(dim=-1) / truth.norm(dim=-1)).median())


def step_ms(theirs: Any, prompt: Tensor, *, compiled: bool, static: bool) -> float:
    """Milliseconds of a step. No canvas is ever done: the confidence asked for is out of reach."""
    from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
        DiffusionGemmaGenerationConfig,
    )

    def run(steps: int) -> float:
        settings = DiffusionGemmaGenerationConfig(
            max_new_tokens=theirs.config.canvas_length,
            max_denoising_steps=steps,
            confidence_threshold=1e-30,
            cache_implementation="static" if static else None,
            disable_compile=not compiled,
            eos_token_id=None,
            pad_token_id=0,
        )
        began = _now()
        theirs.generate(prompt, generation_config=settings)
        return _now() - began

    for _ in range(3):  # compiled: the first compiles, the next records its graphs
        run(3)
    many, one = (sorted(run(steps) for _ in range(REPEATS))[REPEATS // 2] for steps in (STEPS, 1))
    return 1e3 * (many - one) / (STEPS - 1)


def _now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--tiny", action="store_true", help="on the CPU, nothing compiled")
    given = parser.parse_args()
    torch.manual_seed(0)
    device = torch.device("cpu" if given.tiny else "cuda")
    model = random_model(TINY if given.tiny else LARGE, "bf16", device)
    theirs = twin(model)
    context = 20 if given.tiny else given.context
    prompt = torch.randint(model.config.vocab_size, (1, context), device=device)
    _say(disagreement=disagreement(model, theirs, prompt))
    _say(eager_ms=step_ms(theirs, prompt, compiled=False, static=False))
    _say(compiled_ms=step_ms(theirs, prompt, compiled=not given.tiny, static=True))


def _say(**found: float) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
