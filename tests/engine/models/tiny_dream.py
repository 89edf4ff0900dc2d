"""Dream and DreamOn as their releases lie in a folder, tiny and random, with the tokenizer that
ships: a Qwen2 that reads in both directions, its logits shifted by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS, Profile
from engine.training.export import write_profile

EOS, BOS, MASK, DELETE, EXPAND = 1, 2, 4, 5, 6

# As Dream is released.
DREAM = UNTRAINED_FOR_GAPS.but(
    name="tiny dream", bos=BOS, eos=EOS, pad=EOS, first_text=16, noise=(MASK,), width=64,
    head_tokens=12, prompt_tokens=48, line_tokens=(3, 6), block_tokens=(6, 9), suffix_tokens=12,
    padded=False, steps=6, t_max=1.0, t_min=1.0, greedy=True, quota=False,
    self_conditioning=False, order="entropy", beams=4, lookup=True, scored_suffix_tokens=3,
)  # fmt: skip
# As DreamOn is: a hole begins long, grows and shrinks.
DREAM_ON = DREAM.but(
    name="tiny dream on", slack=DELETE, expand=EXPAND, steps=40, tokens_per_step=1, top_p=0.9,
    greedy=False, t_max=0.2, t_min=0.2, line_tokens=(4, 8), block_tokens=(6, 12),
)  # fmt: skip


def write(folder: Path, profile: Profile) -> Path:
    """A folder of it, with the profile. Where a hole can change its length, it often does."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = EMBEDDED_FOLDER / "tokenizer.json"
    known = Tokenizer.from_file(str(tokenizer))
    words = known.get_vocab_size()
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": words, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "tie_word_embeddings": False, "initializer_range": 0.3,
    }  # fmt: skip
    model = Qwen2ForCausalLM(Qwen2Config(**shape))
    odd = [token for token in range(words) if not known.decode([token]).isascii()]
    with torch.no_grad():
        # One dimension that is the same everywhere, by which the head leans to some tokens.
        model.model.embed_tokens.weight[:, 0] = 4.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        model.lm_head.weight[:, 0] = 0.0
        model.lm_head.weight[odd, 0] = -400.0
        model.lm_head.weight[DELETE, 0], model.lm_head.weight[EXPAND, 0] = 60.0, 75.0
    model.save_pretrained(folder)
    path = folder / "config.json"
    document = json.loads(path.read_text("utf-8"))
    document |= {
        "model_type": "Dream",
        "mask_token_id": MASK,
        "infill": {
            "attention": "bidirectional", "shift": True, "mask_token_id": MASK,
            "slack_token_id": profile.tokens.slack, "expand_token_id": profile.tokens.expand,
        },
    }  # fmt: skip
    path.write_text(json.dumps(document), "utf-8")
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    write_profile(profile, folder)
    return folder
