"""Plain text generation, canvas after canvas, exactly as `transformers` does it.

Filling gaps does not pass through here (that is `engine/denoise/loop.py`, of the same sampler
pieces): this is what is held against the reference, step for step, and measured against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoise.sampler import (
    Draws,
    Seeded,
    Stopping,
    accept_by_entropy,
    entropy,
    renoise,
    sample,
    temperature,
)
from engine.models.diffusion_gemma import DiffusionGemma, KVCache


@dataclass(frozen=True, slots=True)
class Settings:
    """In the words of `generation_config.json`, with the values of the released checkpoint."""

    max_new_tokens: int = 256
    max_denoising_steps: int = 48
    entropy_bound: float = 0.1
    t_min: float = 0.4
    t_max: float = 0.8
    stability_threshold: int = 1
    confidence_threshold: float = 0.005
    eos_token_id: tuple[int, ...] = (1, 106, 50)
    pad_token_id: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.max_denoising_steps < 1:
            raise ValueError("max_new_tokens and max_denoising_steps must be at least 1")
        if not 0 <= self.t_min < self.t_max:
            raise ValueError(f"need 0 <= t_min < t_max, not {self.t_min} and {self.t_max}")
        if self.entropy_bound <= 0 or self.confidence_threshold <= 0:
            raise ValueError("entropy_bound and confidence_threshold must be above 0")


@dataclass(frozen=True, slots=True)
class Step:
    """What one denoising step left behind: token ids [B, C], `finished` [B].

    `beliefs` [B, C, V] are the logits over the temperature, which condition the next step.
    """

    number: int
    accepted: Tensor
    canvas: Tensor
    argmax: Tensor
    beliefs: Tensor
    finished: Tensor


OnStep = Callable[[Step], None]


@torch.no_grad()
def generate(
    model: DiffusionGemma,
    prompt_ids: Tensor,
    settings: Settings | None = None,
    *,
    draws: Draws | None = None,
    on_step: OnStep | None = None,
) -> Tensor:
    """New token ids after the prompt [T] or [1, T]: whole canvases, as many as `max_new_tokens`
    needs, ending with the one that holds the first end token; after that token comes padding.

    With no `draws` the global generator decides, as it does in `transformers`: the same seed gives
    the same text.
    """
    settings = settings or Settings()
    draws = draws or Seeded(model.config.vocab_size, model.device)
    length = model.config.canvas_length
    end = torch.tensor(settings.eos_token_id, device=model.device)
    cache: KVCache | None = None
    unread = prompt_ids.reshape(1, -1)
    written: list[Tensor] = []
    while len(written) * length < settings.max_new_tokens:
        cache = model.encode(unread, cache)
        canvas = draws.ids(1, length)
        unread = denoise_canvas(model, cache, canvas, settings, draws, on_step)
        written.append(_pad_after_end(unread[0], end, settings.pad_token_id))
        if torch.isin(unread, end).any():
            break
    return torch.cat(written)


def denoise_canvas(
    model: DiffusionGemma,
    cache: KVCache,
    canvas: Tensor,
    settings: Settings,
    draws: Draws,
    on_step: OnStep | None = None,
) -> Tensor:
    """Denoise canvases [B, C] after one prompt until each is stable and confident, or out of
    steps. Returns their likeliest tokens; a row that is done keeps them while others go on."""
    steps = settings.max_denoising_steps
    stopping = Stopping(settings.stability_threshold, settings.confidence_threshold)
    finished = torch.zeros(len(canvas), dtype=torch.bool, device=canvas.device)
    argmax, beliefs = canvas, None
    for number in range(1, steps + 1):
        logits = model.decode(canvas, cache, beliefs)
        logits = logits / temperature(number, steps, settings.t_min, settings.t_max)
        uncertainty = entropy(logits)
        accepted = accept_by_entropy(uncertainty, settings.entropy_bound)
        sampled = sample(logits, draws.race(*logits.shape))
        noised = renoise(sampled, accepted, draws.ids(*canvas.shape))

        done = finished[:, None]
        canvas = torch.where(done, canvas, noised)
        argmax = torch.where(done, argmax, logits.argmax(dim=-1))
        # The reference rounds what it conditions on to the model's dtype.
        rounded = logits.to(model.dtype)
        beliefs = rounded if beliefs is None else torch.where(done[..., None], beliefs, rounded)
        finished = finished | stopping(argmax, uncertainty)
        if on_step is not None:
            on_step(Step(number, accepted, canvas, argmax, beliefs, finished))
        if finished.all():
            break
    return argmax


def _pad_after_end(ids: Tensor, end: Tensor, pad: int) -> Tensor:
    """`ids` [C] with everything after the first end token replaced."""
    is_end = torch.isin(ids, end)
    return ids.masked_fill(is_end.cumsum(dim=0) - is_end.long() > 0, pad)
