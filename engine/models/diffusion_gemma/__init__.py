"""DiffusionGemma: causal over a prompt, bidirectional over a canvas, uniform noise,
self-conditioning, a mixture of experts.

    config  what its config.json says, and what follows from that
    model   the passes: encode, look, and the causal ones
    layers  what the passes are made of
    joint   one look for several fills
    fixed   a look that a CUDA graph can hold
    fused   the layers as a CPU runs them fastest
"""

from engine.models.diffusion_gemma.config import FULL, SLIDING, Config, Rope
from engine.models.diffusion_gemma.fused import fuse
from engine.models.diffusion_gemma.layers import Attend, Attention, Experts, Layer, at_places
from engine.models.diffusion_gemma.model import GRAIN, DiffusionGemma, causal_mask
from engine.models.family import Family, register
from engine.models.kv_cache import KVCache

MODEL_TYPE = "diffusion_gemma"


def _prepare(model: DiffusionGemma) -> DiffusionGemma:
    return fuse(model) if model.device.type == "cpu" else model


register(Family(MODEL_TYPE, Config, Config.from_json, DiffusionGemma, _prepare))

__all__ = [
    "FULL",
    "GRAIN",
    "MODEL_TYPE",
    "SLIDING",
    "Attend",
    "Attention",
    "Config",
    "DiffusionGemma",
    "Experts",
    "KVCache",
    "Layer",
    "Rope",
    "at_places",
    "causal_mask",
]
