"""An engine for a host that fills as one does on a card: by captured steps, recorded and replayed
without one. Its model's name is the journal in which it notes every step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.api import EngineInfo
from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS
from engine.checkpoints.tokenizer import read_tokenizer
from engine.denoise.drivers import Captured
from engine.denoise.loop import Answer, Question
from engine.fill.infill import LocalEngine
from engine.fill.sharing import SharedEngine
from engine.models.diffusion_gemma import Config, DiffusionGemma, Rope
from kernels.backend import serves

CONFIG = Config(
    vocab_size=4096,
    hidden_size=32,
    intermediate_size=48,
    moe_intermediate_size=32,
    num_experts=2,
    top_k_experts=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=16,
    num_global_key_value_heads=1,
    global_head_dim=32,
    layer_types=("sliding_attention", "full_attention"),
    sliding_window=16,
    rope={"sliding_attention": Rope(1e4), "full_attention": Rope(1e6, 0.25)},
    canvas_length=32,
    max_position_embeddings=512,
)
PROFILE = UNTRAINED_FOR_GAPS.but(
    first_text=16, width=16, head_tokens=6, prompt_tokens=24, line_tokens=(2, 3),
    block_tokens=(4,), steps=3, heal=False,
)  # fmt: skip


@dataclass
class Noting:
    """A driver that notes what it answers, and whether kernels ran."""

    driver: Captured
    model: DiffusionGemma
    journal: Path

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        answers = self.driver.answer(questions)
        with self.journal.open("a") as file:
            for question, answer in zip(questions, answers, strict=True):
                kernels = serves(self.model.device) and self.model.dtype == torch.bfloat16
                step = {"number": question.number, "of": len(questions), "kernels": kernels}
                file.write(json.dumps({**step, "captured": answer.is_late}) + "\n")
        return answers


def made() -> DiffusionGemma:
    torch.manual_seed(0)
    model = DiffusionGemma(CONFIG).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.bfloat16()


def load(journal: str, device: str | None) -> Any:
    torch.set_num_threads(1)
    model = made()
    tokenizer = read_tokenizer(EMBEDDED_FOLDER / "tokenizer.json")
    driver = Noting(Captured(model), model, Path(journal))
    info = EngineInfo("captured", "cpu")
    return SharedEngine(LocalEngine(model, tokenizer, PROFILE, info, driver=driver), room=2)
