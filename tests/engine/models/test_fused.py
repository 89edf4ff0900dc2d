"""Fused layers against those they are made of, which are held against `transformers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.models.diffusion_gemma import Layer
from engine.models.diffusion_gemma.fused import FusedLayer, fuse

FUSED = [
    "two experts, both used",
    "four experts, two used",
    "one expert",
]


def believes(model: Any, dtype: torch.dtype) -> list[torch.Tensor]:
    """Logits of two conditioned canvases, and causal ones, of ids that are always the same."""
    generator = torch.Generator().manual_seed(1)
    prompt, canvas, rows = (
        torch.randint(97, size, generator=generator) for size in ((20,), (2, 12), (3, 7))
    )
    beliefs = torch.randn(2, 12, 97, generator=generator)
    cache = model.encode(prompt[9:], model.encode(prompt[:9]))
    assert cache.keys[0].dtype == dtype
    return [model.decode(canvas, cache), model.decode(canvas, cache, beliefs), model.score(rows)]


@pytest.mark.parametrize("variant", FUSED)
@torch.no_grad()
def test_they_compute_the_same(variant: str, oracle: Callable[[str], Any]) -> None:
    plain, fused = oracle(variant).ours(), fuse(oracle(variant).ours())
    assert all(isinstance(layer, FusedLayer) for layer in fused.layers)
    for ours, theirs in zip(
        believes(fused, torch.float32), believes(plain, torch.float32), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", FUSED)
@torch.no_grad()
def test_bfloat16_errs_hardly_more(variant: str, oracle: Callable[[str], Any]) -> None:
    """Against float32, in the median, as a token sent to another expert jumps."""
    low = torch.bfloat16
    exact = believes(oracle(variant).ours(), torch.float32)
    plain = believes(oracle(variant).ours(low), low)
    fused = believes(fuse(oracle(variant).ours(low)), low)
    for want, theirs, ours in zip(exact, plain, fused, strict=True):
        assert (ours - want).abs().median() <= 1.25 * (theirs - want).abs().median()


def test_mostly_idle_experts_stay_as_they_are(oracle: Callable[[str], Any]) -> None:
    assert all(isinstance(layer, Layer) for layer in fuse(oracle("routed").ours()).layers)
