"""DiffusionGemma in plain torch: one stack of layers, causal over a prompt, bidirectional over a
canvas.

Run causally ("encode") the stack writes the keys and values of the prompt; run bidirectionally
("decode") it reads them and denoises canvases. Semantics follow `transformers`'
`models/diffusion_gemma`, against which the tests hold every logit. What ports got wrong is noted
where it is relied on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.models.branches import Branches
from engine.models.diffusion_gemma.config import FULL, SLIDING, Config
from engine.models.diffusion_gemma.fixed import GemmaLook
from engine.models.diffusion_gemma.joint import look_together
from engine.models.diffusion_gemma.layers import Attend, Layer, RMSNorm, SelfConditioning
from engine.models.family import SLICE, FixedSize, Look, Model
from engine.models.kv_cache import KVCache
from kernels.attention import canvas_attention, causal_attention, prefix_attention
from kernels.rotary import rotary_angles, rotary_frequencies

# The rows of a product are a multiple of it: in bfloat16 a CPU compiles each product anew for each
# number of rows, and keeps what it compiled.
GRAIN = 32


class DiffusionGemma(Model[KVCache]):
    """The text model; module names are those of the checkpoint below `model.decoder.`."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, kind) for kind in config.layer_types)
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_conditioning = SelfConditioning(config)
        # (positions [T], frequencies, dtype) -> what the layers turn queries and keys by
        self.rotary: Callable[[Tensor, Tensor, torch.dtype], Any] = rotary_angles
        self._frequencies: dict[tuple[str, torch.device], Tensor] = {}

    @property
    def device(self) -> torch.device:
        return self.embed_tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed_tokens.weight.dtype

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

    def score_branches(
        self, branches: Branches, cache: KVCache, at: Sequence[int], tokens: Sequence[int]
    ) -> Tensor:
        """The log-probability [N] of each of `tokens` [N] behind place `at` [N] of `branches.ids`,
        where a token comes after the cache and those before it in its own row.

        The vocabulary is looked at for SLICE places at a time.
        """
        past = torch.arange(cache.length, device=self.device)
        places = torch.cat((past, cache.length + branches.depth))
        sees = nn.functional.pad(branches.sees, (cache.length, 0), value=True)
        some = torch.tensor(sorted(set(at)), device=self.device)
        hidden, _ = self._read_tree(branches.ids, places, sees, cache, some)
        rows = torch.searchsorted(some, torch.tensor(at, device=self.device))
        chosen = torch.tensor(tokens, device=self.device)
        found = torch.empty(len(chosen), device=self.device)
        for start in range(0, len(some), SLICE):
            scores = self.logits(hidden[start : start + SLICE]).log_softmax(dim=-1)
            inside = (rows >= start) & (rows < start + SLICE)
            found[inside] = scores[rows[inside] - start, chosen[inside]]
        return found

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
        self, ids: Tensor, places: Tensor, sees: Tensor, cache: KVCache, some: Tensor
    ) -> tuple[Tensor, KVCache]:
        """As `score_tree`, but the hidden states [S, H] of the tokens `some` [S]."""
        past = cache.length
        near = places[past:, None] - places[None, :] < self.config.sliding_window
        masks = {FULL: sees, SLIDING: sees & near}
        keys: list[Tensor] = []
        values: list[Tensor] = []

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            before = cache.keys[index], cache.values[index]
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

    def signal(self, beliefs: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """[B, C, H]: the expected embeddings of open positions, and of pinned ones their own."""
        return self.signal_of(self.soft_embedding(beliefs), canvas, positions, real)

    def signal_of(self, soft: Tensor, canvas: Tensor, positions: Tensor, real: Tensor) -> Tensor:
        """As `signal`, of the expected embeddings `soft` [B, M, H]."""
        # A repeated position carries what its row's last real one says.
        last = (real.sum(dim=-1) - 1).clamp_min(0)[:, None, None]
        spare = soft.gather(1, last.expand(-1, 1, soft.shape[-1]))
        soft = torch.where(real[..., None], soft, spare)
        index = positions[..., None].expand_as(soft)
        return self.embed(canvas).scatter(1, index, soft)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings, scaled by sqrt(hidden) as both passes use them."""
        scaled: Tensor = self.embed_tokens(ids) * self._embed_scale()
        return scaled

    def soft_embedding(self, logits: Tensor) -> Tensor:
        """The expected embedding under softmax(logits), [.., V] -> [.., H]."""
        probabilities = logits.softmax(dim=-1, dtype=torch.float32).to(self.dtype)
        return probabilities @ self.embed_tokens.weight * self._embed_scale()

    def logits(self, hidden: Tensor) -> Tensor:
        """Final norm is already in `hidden`; the tied head, then the softcap in float32."""
        cap = self.config.final_logit_softcapping
        rows = hidden.to(self.dtype).flatten(0, -2)
        padded = nn.functional.pad(rows, (0, 0, 0, -len(rows) % GRAIN))
        raw = nn.functional.linear(padded, self.embed_tokens.weight)[: len(rows)].float()
        raw = raw.reshape(*hidden.shape[:-1], self.config.vocab_size)
        capped: Tensor = raw.div_(cap).tanh_()
        return capped * cap if torch.is_grad_enabled() else capped.mul_(cap)

    def run(
        self, hidden: Tensor, positions: Tensor, attend: Attend, places: Tensor | None = None
    ) -> Tensor:
        """The stack of layers and the final norm over `hidden` [B, T, H]; with `places` [B, M],
        only those positions come out, [B, M, H], and the last layer spares itself the others."""
        angles = self._angles(positions)
        *before, last = enumerate(zip(self.layers, self.config.layer_types, strict=True))
        for index, (layer, kind) in before:
            hidden = layer(hidden, angles[kind], index, attend, None)
        index, (layer, kind) = last
        hidden = layer(hidden, angles[kind], index, attend, _in_grains(places))
        normed: Tensor = self.norm(hidden)
        return normed if places is None else normed[:, : places.shape[1]]

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

    def _embed_scale(self) -> Tensor:
        # Cast before multiplying, as the reference does: in bfloat16 sqrt(2816) is rounded.
        # Filled there, not copied there: a CUDA graph can hold it.
        return torch.full((), self.config.hidden_size**0.5, device=self.device).to(self.dtype)

    def _angles(self, positions: Tensor) -> dict[str, Any]:
        return {
            kind: self.rotary(positions, self._frequency(kind), self.dtype)
            for kind in set(self.config.layer_types)
        }

    def _frequency(self, kind: str) -> Tensor:
        known = self._frequencies.get((kind, self.device))
        if known is None:
            config = self.config
            head_dim = config.head_dim if kind == SLIDING else config.global_head_dim
            rope = config.rope[kind]
            known = rotary_frequencies(head_dim, rope.theta, rope.rotated).to(self.device)
            self._frequencies[kind, self.device] = known
        return known


def _in_grains(places: Tensor | None) -> Tensor | None:
    """`places` [B, M] and as many more as make the rows of all of them a multiple of the grain."""
    if places is None:
        return None
    grain = GRAIN // math.gcd(len(places), GRAIN)
    return nn.functional.pad(places, (0, -places.shape[1] % grain))


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
