"""What both readings of a prompt share: embeddings, the stack of layers, the head."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from engine.models.dense.config import Config
from engine.models.dense.layers import Angles, Attend, Layer, RMSNorm
from engine.models.dense.matrices import Matrix
from engine.models.family import Context, Look, Model, unset_embedding
from engine.models.scores import score_in_slices
from kernels.backend import uses_kernels
from kernels.linear import linear
from kernels.vocabulary import Beliefs, Outlook, vocabulary
from kernels.weights import Weight

C = TypeVar("C", bound=Context)

# The rows of a product are a multiple of it: in bfloat16 a CPU compiles each product anew for each
# number of rows, and keeps what it compiled.
GRAIN = 32


class Backbone(Model[C]):
    """A Llama, Qwen2 or Qwen3; module names are those of the checkpoint below `model.`."""

    config: Config
    multiplies_int8 = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = unset_embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.lm_head = None if config.tied else head
        # (positions [N], frequencies, config, dtype) -> what the layers turn queries and keys by
        self.angles: Callable[[Tensor, Tensor, Config, torch.dtype], Any] = Angles.of
        self.head: Matrix | None = None  # as fused layers have it
        self._frequencies: dict[torch.device, Tensor] = {}

    @property
    def device(self) -> torch.device:
        return self.norm.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.norm.weight.dtype

    @property
    def head_weight(self) -> Weight:
        """[V, H]"""
        head = self.embed_tokens if self.lm_head is None else self.lm_head
        weight: Weight = head.weight
        return weight

    def look(self, looks: Sequence[Look[C]]) -> list[Tensor]:
        hidden = self.states(looks)
        logits = self.logits(torch.cat(hidden)).split([len(each) for each in hidden])
        return [
            each.view(*look.positions.shape, -1) for look, each in zip(looks, logits, strict=True)
        ]

    @torch.no_grad()
    def believe(self, looks: Sequence[Look[C]], banned: Sequence[Tensor]) -> list[Beliefs] | None:
        head = self.head_weight
        if not isinstance(head, Tensor) or not uses_kernels(head):
            return None
        temperature = torch.ones(1, device=self.device)
        seed = torch.zeros(1, dtype=torch.int64, device=self.device)
        return [
            vocabulary(
                hidden.to(self.dtype),
                head,
                Outlook(temperature, seed, banned=each if each.ndim == 1 else each.flatten(0, 1)),
                soften=False,
            )
            for hidden, each in zip(self.states(looks), banned, strict=True)
        ]

    def log_probability(self, look: Look[C], tokens: Tensor) -> Tensor:
        (hidden,) = self.states([look])
        return score_in_slices(self.logits, hidden, tokens.flatten()).view(tokens.shape)

    @abstractmethod
    def states(self, looks: Sequence[Look[C]]) -> list[Tensor]:
        """The hidden states [B * M, H] of the positions that each of `looks` asks for, after the
        final norm, from one pass over the weights."""
        ...

    def run(
        self, ids: Tensor, positions: Tensor, attend: Attend, rows: Tensor | None = None
    ) -> Tensor:
        """The stack of layers and the final norm over tokens `ids` [N] at `positions` [N]: [N, H],
        or [R, H] of the tokens `rows` [R] alone, and the last layer spares itself the others.

        `attend` sees exactly the N tokens, though more are computed, to fill up the grain.
        """
        count = len(ids)
        wanted = count if rows is None else len(rows)
        spare = -count % GRAIN
        hidden = self.embed_tokens(pad(ids, (0, spare))).to(self.dtype)
        angles = self.angles(pad(positions, (0, spare)), self._frequency(), self.config, self.dtype)

        def attend_to_real(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            out = attend(index, query[:count], key[:count], value[:count])
            return pad(out, (0, 0, 0, 0, 0, spare)) if spare else out

        last = len(self.layers) - 1
        chosen = None if rows is None else pad(rows, (0, -wanted % GRAIN))
        for index, layer in enumerate(self.layers):
            at = chosen if index == last else None
            hidden = layer(hidden, angles, index, attend_to_real, at)
        normed: Tensor = self.norm(hidden)
        return normed[:wanted]

    def logits(self, hidden: Tensor) -> Tensor:
        """[R, V] in float32, of `hidden` [R, H] after the final norm."""
        rows = pad(hidden.to(self.dtype), (0, 0, 0, -len(hidden) % GRAIN))
        if self.head is None:
            return linear(rows, self.head_weight)[: len(hidden)].float()
        return self.head(self.head.ready(rows))[: len(hidden)].float()

    def _frequency(self) -> Tensor:
        known = self._frequencies.get(self.device)
        if known is None:
            known = self.config.rope.frequencies(self.config.head_dim).to(self.device)
            self._frequencies[self.device] = known
        return known


__all__ = ["GRAIN", "Backbone"]
