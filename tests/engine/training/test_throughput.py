"""Operations counted by hand, and a rate that is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from engine.models.diffusion_gemma.training import weights_met
from engine.training.throughput import Work, matmul_rate


def test_the_work_of_a_step(tiny: Any) -> None:
    data, schedule = tiny.settings.data, tiny.settings.schedule
    settings = replace(
        tiny.settings,
        data=replace(data, chunks=2, chunk_tokens=100, canvases=3, canvas_tokens=10),
        schedule=replace(schedule, causal_chunks=5),
    )
    weights = weights_met(tiny.model)
    assert Work.of(settings, tiny.model, causal=True) == Work(500, 6 * weights * 500)
    assert Work.of(settings, tiny.model, causal=False) == Work(200, 6 * weights * 260)


def test_only_the_experts_that_serve_count(tiny: Any) -> None:
    parameters = dict(tiny.model.named_parameters())
    matrices = {name: p.numel() for name, p in parameters.items() if p.ndim >= 2}
    experts = sum(size for name, size in matrices.items() if "experts." in name)
    config = tiny.model.config
    idle = experts * (1 - config.top_k_experts / config.num_experts)
    assert weights_met(tiny.model) == sum(matrices.values()) - idle


def test_what_is_told() -> None:
    told = Work(1000, 4e9).describe(2.0, 8e9)
    assert told == "500 tokens/s, 2 GFLOP/s: 25% of the 8 measured here"
    assert matmul_rate(torch.device("cpu")) > 0
