"""Causal over a clean prompt, bidirectional over a canvas.

The prompt's keys and values are the same for every canvas after it, and the pass that writes them
is a language model's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.models.branches import Branches
from engine.models.dense.backbone import GRAIN, Backbone
from engine.models.dense.config import Config
from engine.models.dense.heads import from_heads, to_heads
from engine.models.dense.texts import Texts, run_texts
from engine.models.family import Look
from engine.models.kv_cache import KVCache
from engine.models.scores import score_tokens
from kernels.attention import canvas_attention, causal_attention, prefix_attention
from kernels.shared_attention import shared_attention, shares


class CausalPrefix(Backbone[KVCache]):
    def __init__(self, config: Config) -> None:
        if config.masking.attention != "causal_prefix":
            raise ValueError(f"attention = {config.masking.attention!r} is of another class")
        super().__init__(config)
        self._others: list[CausalPrefix] = []  # not a module of this one: it has its weights

    @property
    def canvas_adapter(self) -> str | None:
        return self.config.masking.canvas_adapter

    def read_canvases_by(self, other: CausalPrefix) -> None:
        other.embed_tokens, other.lm_head, other.norm = self.embed_tokens, self.lm_head, self.norm
        self._others = [other]

    @property
    def reader(self) -> CausalPrefix:
        """What reads all but the prompt."""
        return self._others[0] if self._others else self

    @property
    def causal(self) -> CausalPrefix:
        return self

    @property
    def grain(self) -> int:
        return GRAIN

    def encode(self, ids: Tensor, context: KVCache | None = None) -> KVCache:
        # Nothing but keys and values is kept: one token goes through the last layer's MLP.
        some = ids.new_zeros(min(len(ids), 1))
        _, longer = self._read(ids, context, some)
        return longer

    def score(self, ids: Tensor, context: KVCache | None = None) -> Tensor:
        """Next-token logits [T, V] of `ids` [T] after what `context` holds."""
        hidden, _ = self._read(ids, context, None)
        return self.logits(hidden)

    def read_ahead(self, ids: Tensor, place: int, context: KVCache) -> KVCache:
        some = ids.new_zeros(min(len(ids), 1))
        _, longer = self.reader._read(ids, context, some, place)
        return longer

    def score_branches(
        self,
        branches: Branches,
        place: int,
        context: KVCache,
        at: Sequence[int],
        tokens: Sequence[int],
    ) -> Tensor:
        sees = pad(branches.sees, (context.length, 0), value=True)
        some = torch.tensor(sorted(set(at)), device=self.device)
        positions = place + branches.depth
        hidden, _ = self.reader._read_tree(branches.ids, positions, sees, context, some)
        return score_tokens(self.logits, hidden, some, at, tokens)

    def score_tree(
        self, ids: Tensor, positions: Tensor, sees: Tensor, context: KVCache
    ) -> tuple[Tensor, KVCache]:
        own = positions[context.length :]
        hidden, longer = self.reader._read_tree(ids, own, sees, context, None)
        return self.logits(hidden), longer

    def states(self, looks: Sequence[Look[KVCache]]) -> list[Tensor]:
        texts = [Texts.of(look, look.canvas[0, :0], look.context.length) for look in looks]

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            sizes = [len(text.ids) for text in texts]
            own = (each.split(sizes) for each in (query, key, value))
            seen = []
            for text, look, *parts in zip(texts, looks, *own, strict=True):
                past = look.context.keys[index], look.context.values[index]
                after = partial(_after, past, look.context.length)
                seen.append(text.each(after, *parts))
            return torch.cat(seen)

        return run_texts(self.reader, texts, attend, [look.positions for look in looks])

    def _read(
        self, ids: Tensor, context: KVCache | None, some: Tensor | None, place: int | None = None
    ) -> tuple[Tensor, KVCache]:
        """The hidden states [T, H] of `ids` [T], or [S, H] of the tokens `some` [S], and the
        context with all of them; from position `place` on, or behind the context."""
        past = 0 if context is None else context.length
        order = torch.arange(past, past + len(ids), device=ids.device)
        sees = order[:, None] >= torch.arange(past + len(ids), device=ids.device)
        positions = order if place is None else order - past + place
        keep = _Keep(context)

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            q, k, v = (to_heads(each) for each in (query, key, value))
            before = keep(index, k, v)
            if before is not None and shares(q):
                return from_heads(shared_attention(q, k, v, *before, past, sees[:, past:]))
            keys, values = before or (None, None)
            return from_heads(causal_attention(q, k, v, keys, values, None, sees))

        return self.run(ids, positions, attend, some), keep.longer()

    def _read_tree(
        self, ids: Tensor, positions: Tensor, sees: Tensor, context: KVCache, some: Tensor | None
    ) -> tuple[Tensor, KVCache]:
        """As `_read`, where the tokens, at `positions` [T], are a tree: see Causal.score_tree."""
        keep = _Keep(context)
        by_all = sees[:, : context.length].all(dim=0)
        shared = int(by_all.long().cumprod(dim=0).sum())

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            q, k, v = (to_heads(each) for each in (query, key, value))
            before = keep(index, k, v)
            if before is not None and shares(q):
                return from_heads(shared_attention(q, k, v, *before, shared, sees[:, shared:]))
            keys, values = before or (None, None)
            return from_heads(prefix_attention(q, k, v, keys, values, sees))

        return self.run(ids, positions, attend, some), keep.longer()


class _Keep:
    """Joins the keys and values of a pass to those of the context before it, layer by layer."""

    def __init__(self, context: KVCache | None) -> None:
        self._context = context if context is not None and context.length else None
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def __call__(self, index: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        """Those that the layer already had."""
        if self._context is None:
            self._keys.append(key)
            self._values.append(value)
            return None
        before = self._context.keys[index], self._context.values[index]
        self._keys.append(torch.cat((before[0], key), dim=2))
        self._values.append(torch.cat((before[1], value), dim=2))
        return before

    def longer(self) -> KVCache:
        return KVCache(tuple(self._keys), tuple(self._values))


def _after(
    past: tuple[Tensor, Tensor], length: int, query: Tensor, key: Tensor, value: Tensor
) -> Tensor:
    if shares(query):
        return shared_attention(query, key, value, *past, length)
    return canvas_attention(query, key, value, *past, length)


__all__ = ["CausalPrefix"]
