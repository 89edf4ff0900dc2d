"""Initial weights for a model trained from scratch."""

from __future__ import annotations

import torch
from torch import nn

from engine.models.diffusion_gemma import Attention, DiffusionGemma, Experts, Layer


@torch.no_grad()
def initialise(model: DiffusionGemma, seed: int) -> DiffusionGemma:
    """Fan-in normal weights; residual branches start small.

    Embeddings get norm 1, so that scaled inputs have RMS 1 and tied logits a spread of about 1.
    The q and k norms carry the attention scale that Gemma 4 leaves out: head_dim ** -0.25 each.
    """
    generator = torch.Generator().manual_seed(seed)
    hidden = model.config.hidden_size
    branch = (2 * len(model.layers)) ** -0.5
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.weight.normal_(0.0, hidden**-0.5, generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0.0, module.in_features**-0.5, generator=generator)
        elif isinstance(module, Experts):
            module.gate_up_proj.normal_(0.0, hidden**-0.5, generator=generator)
            inner = module.down_proj.shape[-1]
            module.down_proj.normal_(0.0, inner**-0.5, generator=generator)
        elif isinstance(module, Layer):
            module.post_attention_layernorm.weight.fill_(branch)
            module.post_feedforward_layernorm.weight.fill_(branch)
        elif isinstance(module, Attention):
            module.q_norm.weight.fill_(module.head_dim**-0.25)
            module.k_norm.weight.fill_(module.head_dim**-0.25)
    return model
