"""DiffusionGemma: causal over a prompt, bidirectional over a canvas, uniform noise,
self-conditioning, a mixture of experts.

    config  what its config.json says, and what follows from that
    model   the passes: encode, look, and the causal ones
    stack   the layers that every pass runs, and what leads in and out of them
    layers  what the stack is made of
    joint   one look for several fills
    fixed   a look that a CUDA graph can hold
    fused   the layers as a CPU runs them fastest
    training  what training from nothing needs
"""

from engine.models.diffusion_gemma import training
from engine.models.diffusion_gemma.config import FULL, SLIDING, Config, Rope
from engine.models.diffusion_gemma.fused import fuse
from engine.models.diffusion_gemma.layers import Attend, Attention, Experts, Layer, at_places
from engine.models.diffusion_gemma.model import DiffusionGemma, causal_mask
from engine.models.diffusion_gemma.stack import GRAIN
from engine.models.family import Family, register
from engine.models.kv_cache import KVCache
from engine.models.training import Training, register_training

MODEL_TYPE = "diffusion_gemma"


def _prepare(model: DiffusionGemma) -> DiffusionGemma:
    return fuse(model) if model.device.type == "cpu" else model


register(Family(MODEL_TYPE, Config, Config.from_json, DiffusionGemma, _prepare))
register_training(
    MODEL_TYPE,
    Config,
    Training(
        document=training.document,
        initialise=training.initialise,
        joint=training.joint,
        causal=training.causal,
        signal=training.signal,
        head=training.head,
        weights_met=training.weights_met,
        published=training.published,
        apart=("embed", "router"),
        exact=("router",),
    ),
)

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
