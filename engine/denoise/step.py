"""A denoising step that stays on the card: one CUDA graph per (batch, canvas, KV bucket).

Everything a step reads lies in buffers of its own, and the step leaves the next canvas and the next
self-conditioning signal there. Nothing is read back but the flags that say who is done, and those
may be read a step late: what an extra step does to a canvas that was done is thrown away.

Without CUDA the same step runs uncaptured.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas
from engine.models.diffusion_gemma import SLIDING, DiffusionGemma, KVCache
from kernels.acceptance import Rule, accept
from kernels.attention import canvas_attention
from kernels.vocabulary import Beliefs, Outlook, vocabulary

BUCKETS = (256, 1024, 2048, 4096, 8192, 16384, 32768)


def bucket_of(length: int) -> int:
    """The least KV bucket that holds `length` tokens; beyond the last, multiples of it."""
    last = BUCKETS[-1]
    return next((size for size in BUCKETS if length <= size), -(-length // last) * last)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a graph is captured for; `places` is how many open positions a row has at most, `apart`
    says that each of them has tokens of its own that may not be written."""

    batch: int
    canvas: int
    places: int
    bucket: int
    apart: bool = False

    @classmethod
    def of(cls, canvas: Canvas, cache: KVCache, banned: Tensor | None = None) -> Shape:
        batch, width = canvas.ids.shape
        apart = banned is not None and banned.ndim > 1
        return cls(batch, width, canvas.places.shape[1], bucket_of(cache.length), apart)


class Step:
    """One shape's buffers and graphs. `load` a request, then `run` its steps one by one.

    `greedy`: an accepted position takes its likeliest token, not a sampled one.
    """

    def __init__(
        self, model: DiffusionGemma, shape: Shape, rule: Rule, *, greedy: bool = False
    ) -> None:
        self.model, self.shape, self.rule, self.greedy = model, shape, rule, greedy
        device, config = model.device, model.config
        batch, width, many = shape.batch, shape.canvas, shape.places

        def zeros(*size: int, dtype: torch.dtype) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=device)

        self.ids = zeros(batch, width, dtype=torch.int64)
        self.places = zeros(batch, many, dtype=torch.int64)
        self.real = zeros(batch, many, dtype=torch.bool)
        self.before = zeros(batch, many, dtype=torch.int64)
        self.done = zeros(batch, dtype=torch.bool)
        self.signal = zeros(batch, width, config.hidden_size, dtype=model.dtype)
        self.length = zeros(1, dtype=torch.int32)
        self.temperature = zeros(1, dtype=torch.float32)
        self.seed = zeros(1, dtype=torch.int64)
        rows = (batch * many,) if shape.apart else ()
        self.banned = zeros(*rows, config.vocab_size, dtype=torch.bool)
        self.keys = [self._room(kind) for kind in config.layer_types]
        self.values = [self._room(kind) for kind in config.layer_types]
        self._graphs: dict[bool, tuple[torch.cuda.CUDAGraph, Beliefs]] = {}

    def load(self, canvas: Canvas, cache: KVCache, banned: Tensor) -> None:
        """Begin with `canvas` after the prompt in `cache`; `banned`, [V] or, where the shape says
        so, [B, M, V], may not be written."""
        if Shape.of(canvas, cache, banned) != self.shape:
            raise ValueError(f"{Shape.of(canvas, cache, banned)} does not fit {self.shape}")
        self.ids.copy_(canvas.ids)
        self.places.copy_(canvas.places)
        self.real.copy_(canvas.real)
        self.banned.copy_(banned.view_as(self.banned))
        self.before.fill_(-1)
        self.length.fill_(cache.length)
        for room, given in zip(
            (*self.keys, *self.values), (*cache.keys, *cache.values), strict=True
        ):
            room[:, :, : cache.length].copy_(given)

    @torch.no_grad()
    def run(self, number: int, temperature: float, seed: int) -> Beliefs:
        """Step `number`, from 1: beliefs about the open positions, [B * M] each, in buffers that
        the next run overwrites. `ids` and `done` are then those after the step."""
        self.temperature.fill_(temperature)
        self.seed.fill_(seed)
        first = number == 1
        if self.ids.device.type != "cuda":
            return self._step(first)
        if first not in self._graphs:
            self._graphs[first] = self._capture(first)
        graph, beliefs = self._graphs[first]
        graph.replay()
        return beliefs

    def _capture(self, first: bool) -> tuple[torch.cuda.CUDAGraph, Beliefs]:
        # Warming up compiles the kernels; what it did to the buffers is undone.
        state = [each.clone() for each in self._state()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._step(first)
            self._restore(state)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            beliefs = self._step(first)
        self._restore(state)
        return graph, beliefs

    def _state(self) -> tuple[Tensor, ...]:
        return self.ids, self.before, self.done, self.signal

    def _restore(self, state: list[Tensor]) -> None:
        for each, was in zip(self._state(), state, strict=True):
            each.copy_(was)

    def _step(self, first: bool) -> Beliefs:
        model, config, shape = self.model, self.model.config, self.shape
        hidden = model.self_conditioning(model.embed(self.ids), None if first else self.signal)
        positions = self.length + torch.arange(shape.canvas, device=model.device)

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            slides = config.layer_types[index] == SLIDING
            seen = config.sliding_window - 1 if slides else shape.bucket
            rooms = self.keys[index], self.values[index]
            return canvas_attention(query, key, value, *rooms, seen, self.length)

        hidden = model.run(hidden, positions, attend)
        at = self.places[..., None].expand(-1, -1, config.hidden_size)
        beliefs = vocabulary(
            hidden.gather(1, at).flatten(0, 1),
            model.embed_tokens.weight,
            Outlook(
                temperature=self.temperature,
                seed=self.seed,
                softcap=config.final_logit_softcapping,
                embed_scale=config.hidden_size**0.5,
                banned=self.banned,
            ),
        )
        shaped = (shape.batch, shape.places)
        likeliest = beliefs.likeliest.view(shaped)
        chosen = likeliest if self.greedy else beliefs.sampled.view(shaped)
        ids, done = accept(
            self.ids,
            self.places,
            self.real,
            chosen,
            likeliest,
            self.before,
            beliefs.entropy.view(shaped),
            self.seed,
            self.rule,
        )
        self.ids.copy_(ids)
        self.done.copy_(done)
        self.before.copy_(likeliest)
        self.signal.copy_(self._signal(beliefs))
        return beliefs

    def _signal(self, beliefs: Beliefs) -> Tensor:
        """What is believed of open positions, and of pinned ones exactly what stands there."""
        assert beliefs.embedding is not None
        believed = beliefs.embedding.view(*self.places.shape, -1)
        # A repeated place carries what its row's last real one says.
        last = (self.real.sum(dim=-1) - 1).clamp_min(0)[:, None, None]
        spare = believed.gather(1, last.expand(-1, 1, believed.shape[-1]))
        believed = torch.where(self.real[..., None], believed, spare)
        index = self.places[..., None].expand_as(believed)
        return self.model.embed(self.ids).scatter(1, index, believed)

    def _room(self, kind: str) -> Tensor:
        config = self.model.config
        heads, size = config.num_key_value_heads, config.head_dim
        if kind != SLIDING:
            heads, size = config.num_global_key_value_heads, config.global_head_dim
        room = (1, heads, self.shape.bucket, size)
        return torch.zeros(room, dtype=self.model.dtype, device=self.model.device)


__all__ = ["BUCKETS", "Shape", "Step", "bucket_of"]
