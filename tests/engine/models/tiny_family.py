"""A second family, as small as can be, which shares nothing with the first: other names for what
its configuration holds and for its tensors, bidirectional throughout, its own mask for noise, no
self-conditioning, no causal pass, no keys and values.

Importing it registers it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from engine.checkpoints.catalog import EMBEDDED_FOLDER
from engine.checkpoints.profile import UNTRAINED_FOR_GAPS
from engine.models.family import Family, Look, Model, StepSize, Work, register
from engine.training.export import write_profile

MODEL_TYPE = "sums_of_all"
MASK = 4
V = 4096  # as the tokenizer that ships


@dataclass(frozen=True, slots=True)
class Ids:
    """A prompt that nothing was computed of."""

    ids: Tensor

    @property
    def length(self) -> int:
        return len(self.ids)

    def crop(self, length: int) -> Ids:
        return Ids(self.ids[:length])


@dataclass(frozen=True, slots=True)
class Sizes:
    words: int
    breadth: int

    @property
    def vocab_size(self) -> int:
        return self.words

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Sizes:
        if "breadth" not in document:
            raise ValueError("'breadth' is missing")
        return cls(int(document["words"]), int(document["breadth"]))

    @property
    def masked(self) -> None:
        return None

    def given(self, stored: Collection[str]) -> Sizes:
        return self

    def stored_as(self, name: str) -> tuple[str, ...]:
        """A head of its own, or none: then it is the table."""
        return ("net.out.weight", "net.table.weight") if name == "out.weight" else (f"net.{name}",)

    def parts_of(self, name: str) -> tuple[str, ...]:
        return ()

    def context_bytes(self, tokens: int, item: int) -> int:
        return 8 * tokens

    def kept_bytes(self, step: StepSize, item: int) -> int:
        return 0

    def activation_bytes(self, step: StepSize, item: int) -> int:
        return step.candidates * (step.canvas + step.context) * self.breadth * item

    def weight_work(self, name: str, shape: tuple[int, ...], stored: float, step: StepSize) -> Work:
        rows = step.candidates * step.open if name == "out.weight" else 0
        return Work(stored, 2.0 * shape[0] * shape[1] * rows)

    def attention_work(self, step: StepSize, item: int) -> Work:
        return Work(0.0, 0.0)


class SumsOfAll(Model[Ids]):
    """What stands at a position is told by the sum of all tokens before and after it, and by its
    place."""

    config: Sizes

    def __init__(self, config: Sizes) -> None:
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.words, config.breadth)
        self.mix = nn.Linear(3 * config.breadth, config.breadth, bias=False)
        self.out = nn.Linear(config.breadth, config.words, bias=False)

    @property
    def device(self) -> torch.device:
        return self.table.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.table.weight.dtype

    def encode(self, ids: Tensor, context: Ids | None = None) -> Ids:
        return Ids(ids if context is None else torch.cat((context.ids, ids)))

    def look(self, looks: Sequence[Look[Ids]]) -> list[Tensor]:
        return [self._logits(look) for look in looks]

    def _logits(self, look: Look[Ids]) -> Tensor:
        rows = len(look.canvas)
        text = torch.cat((look.context.ids.expand(rows, -1), look.canvas), dim=1)
        known = self.table(text)
        before = known.cumsum(dim=1) - known
        after = known.sum(dim=1, keepdim=True) - before - known
        places = torch.arange(text.shape[1], device=self.device)[:, None] * 0.1
        whole = torch.cat((known + places.sin().to(self.dtype), before, after), dim=-1)
        hidden = self.mix(whole).tanh()[:, look.context.length :]
        at = look.positions[..., None].expand(-1, -1, hidden.shape[-1])
        logits: Tensor = self.out(hidden.gather(1, at)).float()
        return logits


register(Family(MODEL_TYPE, Sizes, Sizes.read, SumsOfAll))


def write(folder: Path, *, has_head: bool = True) -> Path:
    """A folder of it, with random weights and the tokenizer that ships."""
    folder.mkdir(exist_ok=True)
    config = {"model_type": MODEL_TYPE, "words": V, "breadth": 8}
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    model = SumsOfAll(Sizes(V, 8))
    tensors = {f"net.{name}": tensor.detach() for name, tensor in model.named_parameters()}
    if not has_head:
        del tensors["net.out.weight"]
    save_file(tensors, folder / "model.safetensors")
    (folder / "tokenizer.json").write_bytes((EMBEDDED_FOLDER / "tokenizer.json").read_bytes())
    profile = UNTRAINED_FOR_GAPS.but(
        name="sums", first_text=16, noise=(MASK,), width=48, head_tokens=12, prompt_tokens=96,
        line_tokens=(3, 6), block_tokens=(6, 9), steps=5, greedy=True, quota=True, heal=False,
        self_conditioning=False, beams=4, lookup=True,
    )  # fmt: skip
    write_profile(profile, folder)
    return folder


def load(model: str, device: str | None) -> Any:
    """For a host: the process knows the family by this module's import."""
    from engine.fill.load import load_engine
    from engine.fill.sharing import SharedEngine

    return SharedEngine(load_engine(model, device), room=2)
