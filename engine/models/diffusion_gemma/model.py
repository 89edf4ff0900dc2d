"""DiffusionGemma in plain torch: one stack of layers, causal over a prompt, bidirectional over a
canvas.

Run causally ("encode") the stack writes the keys and values of the prompt; run bidirectionally
("decode") it reads them and denoises canvases. Semantics follow `transformers`'
`models/diffusion_gemma`, against which the tests hold every logit. What ports got wrong is noted
where it is relied on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.models.branches import Branches
from engine.models.diffusion_gemma.config import FULL, SLIDING
from engine.models.diffusion_gemma.fixed import GemmaLook
from engine.models.diffusion_gemma.joint import look_together
from engine.models.diffusion_gemma.stack import GRAIN, Stack
from engine.models.family import FixedSize, Look
from engine.models.kv_cache import KVCache
from engine.models.scores import score_tokens
from kernels.attention import canvas_attention, causal_attention, prefix_attention


class DiffusionGemma(Stack):
    """The text model: its passes, each with its own attention."""

    @property
    def causal(self) -> DiffusionGemma:
        """The pass that encodes the prompt is a language model's."""
        return self

    @property
    def grain(self) -> int:
        return GRAIN

    def encode(self, ids: Tensor, cache: KVCache | None = None) -> KVCache:
        """Run causally over `ids` [T] or [1, T] after what `cache` holds: the longer cache."""
        if ids.ndim > 1 and ids.shape[0] != 1:
            raise ValueError(f"encode takes one prompt, [T] or [1, T], not {list(ids.shape)}")
        length = ids.numel()
        # Of what comes out nothing is read: one position will do.
        some = ids.new_zeros(1, min(length, 1))
        _, keys, values = self._causal(_to_grain(ids.reshape(1, -1)), cache, some)
        keys = [key[:, :, :length] for key in keys]
        values = [value[:, :, :length] for value in values]
        if cache is not None and cache.length:
            keys = [torch.cat(pair, dim=2) for pair in zip(cache.keys, keys, strict=True)]
            values = [torch.cat(pair, dim=2) for pair in zip(cache.values, values, strict=True)]
        return KVCache(tuple(keys), tuple(values))

    def score(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Next-token logits [B, T, V] of `ids` [B, T], causal, every row after the same cache."""
        hidden, _, _ = self._causal(_to_grain(ids), cache)
        return self.logits(hidden[:, : ids.shape[1]])

    def read_ahead(self, ids: Tensor, place: int, cache: KVCache) -> KVCache:
        past = cache.length
        order = torch.arange(past + len(ids), device=self.device)
        places = torch.cat((order[:past], order[past:] - past + place))
        sees = order[past:, None] >= order
        _, longer = self._read_tree(ids, places, sees, cache, order[:1])
        return longer

    def score_branches(
        self,
        branches: Branches,
        place: int,
        cache: KVCache,
        at: Sequence[int],
        tokens: Sequence[int],
    ) -> Tensor:
        """The log-probability [N] of each of `tokens` [N] behind place `at` [N] of `branches.ids`,
        where a token comes after the cache and those before it in its own row, the first of which
        is at position `place`."""
        past = torch.arange(cache.length, device=self.device)
        places = torch.cat((past, place + branches.depth))
        sees = nn.functional.pad(branches.sees, (cache.length, 0), value=True)
        some = torch.tensor(sorted(set(at)), device=self.device)
        hidden, _ = self._read_tree(branches.ids, places, sees, cache, some, keeps=False)
        return score_tokens(self.logits, hidden, some, at, tokens)

    def score_tree(
        self, ids: Tensor, places: Tensor, sees: Tensor, cache: KVCache
    ) -> tuple[Tensor, KVCache]:
        """Next-token logits [T, V] of `ids` [T], and the cache with all of them behind what it
        holds.

        `places` [P + T] are the positions of what the cache holds (P) and of `ids`; `sees`
        [T, P + T] is True where the token is to look, a sliding window aside.
        """
        everywhere = torch.arange(len(ids), device=self.device)
        hidden, longer = self._read_tree(ids, places, sees, cache, everywhere)
        return self.logits(hidden), longer

    def _read_tree(
        self,
        ids: Tensor,
        places: Tensor,
        sees: Tensor,
        cache: KVCache,
        some: Tensor,
        *,
        keeps: bool = True,
    ) -> tuple[Tensor, KVCache]:
        """As `score_tree`, but the hidden states [S, H] of the tokens `some` [S]; the cache is an
        empty one unless it `keeps` what it reads."""
        past = cache.length
        # Compared, not subtracted: of numbers the matrix would be eight times as large.
        near = places[past:, None] < (places + self.config.sliding_window)[None, :]
        masks = {FULL: sees, SLIDING: sees & near}
        keys: list[Tensor] = []
        values: list[Tensor] = []

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            before = cache.keys[index], cache.values[index]
            if keeps:
                keys.append(torch.cat((before[0], key), dim=2))
                values.append(torch.cat((before[1], value), dim=2))
            mask = masks[self.config.layer_types[index]]
            return prefix_attention(query, key, value, *before, mask)

        hidden = self.run(self.embed(ids[None]), places[past:], attend, some[None])[0]
        return hidden, KVCache(tuple(keys), tuple(values))

    def decode(
        self,
        canvas: Tensor,
        cache: KVCache,
        self_conditioning_logits: Tensor | None = None,
        *,
        self_conditioning: Tensor | None = None,
        places: Tensor | None = None,
    ) -> Tensor:
        """Denoising logits [B, C, V] in float32 for canvases [B, C], all after the same prompt.

        Self-conditioning is what the last step believed: its logits [B, C, V], or the soft
        embeddings made of them ([B, C, H], see `soft_embedding`); None at the first step.
        With `places` [B, M], only those positions of each canvas get logits: [B, M, V].
        """
        if self_conditioning_logits is not None:
            self_conditioning = self.soft_embedding(self_conditioning_logits)
        hidden = self.self_conditioning(self.embed(canvas), self_conditioning)
        positions = torch.arange(cache.length, cache.length + canvas.shape[1], device=canvas.device)
        window = self.config.sliding_window - 1

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            # Every canvas position of a sliding layer sees the same last window of the prompt and
            # the whole canvas: there is no band per query.
            seen = window if self.config.layer_types[index] == SLIDING else cache.length
            return canvas_attention(query, key, value, cache.keys[index], cache.values[index], seen)

        return self.logits(self.run(hidden, positions, attend, places))

    def look(self, looks: Sequence[Look[KVCache]]) -> list[Tensor]:
        if any(each.lengths is not None for each in looks):
            raise ValueError("DiffusionGemma looks at whole canvases: their padding is text to it")
        if len(looks) > 1:
            return look_together(self, looks)
        return [
            self.decode(
                each.canvas,
                each.context,
                self_conditioning=each.signal,
                places=each.positions,
            )
            for each in looks
        ]

    def fixed(self, size: FixedSize) -> GemmaLook:
        return GemmaLook(self, size)

    def _causal(
        self, ids: Tensor, cache: KVCache | None, places: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        past = cache.length if cache is not None else 0
        length = ids.shape[1]
        positions = torch.arange(past, past + length, device=ids.device)
        full = causal_mask(past, length, None, ids.device)
        sliding = causal_mask(past, length, self.config.sliding_window, ids.device)
        keys: list[Tensor] = []
        values: list[Tensor] = []

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            keys.append(key)
            values.append(value)
            slides = self.config.layer_types[index] == SLIDING
            window = self.config.sliding_window if slides else None
            mask = sliding if slides else full
            past_key = None if cache is None else cache.keys[index]
            past_value = None if cache is None else cache.values[index]
            return causal_attention(query, key, value, past_key, past_value, window, mask)

        hidden = self.run(self.embed(ids), positions, attend, places)
        return hidden, keys, values


def _to_grain(ids: Tensor) -> Tensor:
    """`ids` [B, T] with tokens behind them that no token of a causal pass sees."""
    return nn.functional.pad(ids, (0, -ids.shape[1] % GRAIN))


def causal_mask(past: int, length: int, window: int | None, device: torch.device) -> Tensor:
    """[length, past + length], True where query `past + i` may see key j: j <= past + i and, with a
    window, past + i - j < window."""
    query = torch.arange(past, past + length, device=device)[:, None]
    key = torch.arange(past + length, device=device)[None, :]
    seen = key <= query
    return seen if window is None else seen & (query - key < window)
