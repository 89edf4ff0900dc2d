"""The base's layers as they are trained: chunks are read as the base reads, canvases with what is
learnt besides.

Llama: RMSNorm, rotary halves, grouped queries, SiLU gate, tied head. Weights that read the same
input lie together (q/k/v, gate/up).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from engine.checkpoints.files import read_json
from engine.training.adapt.attention import UNSEEN, Sight, attend
from engine.training.adapt.data import Batch
from engine.training.adapt.products import product
from engine.training.adapt.tokens import END, MASK, SLACK

Shapes = dict[str, tuple[int, ...]]  # by name, in the order of a flat buffer
TAUGHT = (MASK, SLACK, END)  # ids whose rows are learnt ...
TAUGHT_ROWS = "rows"  # ... under this name


@dataclass(frozen=True, slots=True)
class Dimensions:
    """In the words of Llama's config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float

    @classmethod
    def read(cls, folder: Path) -> Dimensions:
        config = read_json(folder / "config.json")
        theta = config["rope_parameters"]["rope_theta"]
        names = [name for name in cls.__dataclass_fields__ if name != "rope_theta"]
        return cls(**{name: config[name] for name in names}, rope_theta=theta)

    def shapes(self) -> Shapes:
        """Of every weight, by the names they have here."""
        wide, inner = self.hidden_size, self.intermediate_size
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        layer: Shapes = {
            "norm1": (wide,),
            "qkv": (queries + 2 * keys, wide),
            "out": (wide, queries),
            "norm2": (wide,),
            "gate_up": (2 * inner, wide),
            "down": (wide, inner),
        }
        shapes: Shapes = {"embedding": (self.vocab_size, wide)}
        for index in range(self.num_hidden_layers):
            shapes |= {f"{index}.{name}": shape for name, shape in layer.items()}
        return shapes | {"norm": (wide,)}


# What lies together -> the base's names of its parts; `{}` stands for "model.layers.N.".
PARTS = {
    "norm1": ("{}input_layernorm.weight",),
    "qkv": tuple("{}self_attn." + part + "_proj.weight" for part in "qkv"),
    "out": ("{}self_attn.o_proj.weight",),
    "norm2": ("{}post_attention_layernorm.weight",),
    "gate_up": ("{}mlp.gate_proj.weight", "{}mlp.up_proj.weight"),
    "down": ("{}mlp.down_proj.weight",),
    "embedding": ("model.embed_tokens.weight",),
    "norm": ("model.norm.weight",),
}


def parts_of(name: str) -> list[str]:
    """The base's names of what `name` holds, row blocks in order."""
    layer, _, kind = name.rpartition(".")
    return [part.format(f"model.layers.{layer}.") for part in PARTS[kind]]


def views(flat: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """The parts of a flat buffer, by name."""
    sizes = [math.prod(shape) for shape in shapes.values()]
    parts = zip(shapes.items(), flat.split(sizes), strict=True)
    return {name: part.view(shape) for (name, shape), part in parts}


def size_of(shapes: Shapes) -> int:
    """Elements of the flat buffer."""
    return sum(math.prod(shape) for shape in shapes.values())


def read_weights(folder: Path, into: dict[str, Tensor]) -> None:
    """Copy the checkpoint in `folder` (Llama's names) into the views `into`."""
    weights = load_file(folder / "model.safetensors")
    for name, view in into.items():
        torch.cat([weights[part].to(view.dtype) for part in parts_of(name)], out=view)


def parted(name: str, rows: Tensor, dimensions: Dimensions) -> Iterator[tuple[str, Tensor]]:
    """The base's names of what `name` holds, each with those of `rows` that are its own."""
    keys = dimensions.num_key_value_heads * dimensions.head_dim
    queries = dimensions.num_attention_heads * dimensions.head_dim
    counts = {"qkv": [queries, keys, keys], "gate_up": [dimensions.intermediate_size] * 2}
    kind = name.rpartition(".")[2]
    return zip(parts_of(name), rows.split(counts.get(kind, [len(rows)])), strict=True)


def to_checkpoint(weights: dict[str, Tensor], dimensions: Dimensions) -> dict[str, Tensor]:
    """The weights under Llama's names."""
    return {
        part: block.clone()
        for name, weight in weights.items()
        for part, block in parted(name, weight, dimensions)
    }


def sight_of(batch: Batch, dimensions: Dimensions, groups: int, dtype: torch.dtype) -> Sight:
    """What every position of a canvas may see, and how far along it is; the same in every layer."""
    device = batch.chunk.device
    order = torch.arange(batch.canvas.shape[2], device=device)
    places = torch.arange(batch.chunk.shape[1], device=device)
    cos, sin = turns((batch.start[:, :, None] + batch.place).flatten(1), dimensions, dtype)
    later = order[None, :] > order[:, None]
    return Sight(
        cos=cos,
        sin=sin,
        past=_added(places >= batch.start[:, :, None], dtype),
        own=_added(later & batch.causal[:, :, None, None], dtype),
        groups=groups,
    )


def turns(positions: Tensor, dimensions: Dimensions, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B, N, D / 2] of `positions` [B, N]."""
    exponent = torch.arange(0, dimensions.head_dim, 2, device=positions.device)
    angles = positions[..., None].float() / dimensions.rope_theta ** (
        exponent / dimensions.head_dim
    )
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _added(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, UNSEEN)


class Norms(NamedTuple):
    """Of one layer: before its attention, and before its gated part."""

    first: Tensor
    second: Tensor


class Sizes(NamedTuple):
    """What no tensor tells: KV heads, their size, the norms' epsilon."""

    shared: int
    size: int
    eps: float


class Parts(NamedTuple):
    """The operations of a layer that are no products of weights, as they are or compiled."""

    norm: Callable[..., Tensor]
    rotate: Callable[..., Tensor]
    gate: Callable[..., Tensor]


class Model:
    """The base, what is learnt for canvases (adapters.py), and the pass over a batch."""

    def __init__(
        self,
        base: dict[str, Tensor],
        learnt: dict[str, Tensor],
        dimensions: Dimensions,
        groups: int,
        scale: float,
        *,
        compiled: bool = False,
    ) -> None:
        self.base, self.learnt, self.dimensions = base, learnt, dimensions
        self.groups, self.scale = groups, scale
        parts: tuple[Callable[..., Tensor], ...] = (rms_norm, rotate, gate)
        if compiled:
            # Once for each shape: of chunks and canvases, and of their queries and their keys.
            torch._dynamo.config.recompile_limit = 64
            # Each by itself: a whole layer, compiled by torch 2.13 for a CPU, gives NaN gradients.
            parts = tuple(torch.compile(part, dynamic=False) for part in parts)
        self._parts = Parts(*parts)
        self._sizes = Sizes(
            dimensions.num_key_value_heads, dimensions.head_dim, dimensions.rms_norm_eps
        )

    def hidden(self, batch: Batch) -> Tensor:
        """Final states of canvases [B, K, C, H]."""
        past = self.read(batch.chunk)
        sight = sight_of(batch, self.dimensions, self.groups, self.base["embedding"].dtype)
        hidden = self.embed(batch.canvas.flatten(1))
        for index in range(self.dimensions.num_hidden_layers):
            layer = self._layer(index)

            def multiply(x: Tensor, name: str, index: int = index) -> Tensor:
                name = f"{index}.{name}"
                down, up = self.learnt[f"{name}.down"], self.learnt[f"{name}.up"]
                return product(x, self.base[name], down, up, self.scale)

            def attends(query: Tensor, key: Tensor, value: Tensor, index: int = index) -> Tensor:
                return attend(query, key, value, past[index], sight)

            turn = (sight.cos, sight.sin)
            hidden = run_layer(hidden, layer, turn, multiply, attends, self._sizes, self._parts)
        hidden = self._parts.norm(hidden, self.base["norm"], self.dimensions.rms_norm_eps)
        return hidden.view(*batch.canvas.shape, -1)

    @torch.no_grad()
    def read(self, chunk: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values [B, S, T, D] of the base for `chunk` [B, T], layer by layer."""
        embedding = self.base["embedding"]
        places = torch.arange(chunk.shape[1], device=chunk.device).expand(chunk.shape)
        turn = turns(places, self.dimensions, embedding.dtype)
        hidden = functional.embedding(chunk, embedding)
        found: list[tuple[Tensor, Tensor]] = []

        def attends(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            found.append((key, value))
            shared = query.shape[2]
            return functional.scaled_dot_product_attention(
                query.flatten(1, 2),
                key.repeat_interleave(shared, 1),
                value.repeat_interleave(shared, 1),
                is_causal=True,
                scale=1.0,
            )

        for index in range(self.dimensions.num_hidden_layers):

            def multiply(x: Tensor, name: str, index: int = index) -> Tensor:
                return functional.linear(x, self.base[f"{index}.{name}"])

            layer = self._layer(index)
            hidden = run_layer(hidden, layer, turn, multiply, attends, self._sizes, self._parts)
        return found

    def embed(self, ids: Tensor) -> Tensor:
        """[B, N, H] of `ids` [B, N]; of the ids that are taught, the rows that are learnt."""
        states = functional.embedding(ids, self.base["embedding"])
        taught = torch.stack([ids == each for each in TAUGHT], dim=-1)
        states = states.masked_fill(taught.any(-1, keepdim=True), 0.0)
        return states + taught.to(states.dtype) @ self.learnt[TAUGHT_ROWS]

    def _layer(self, index: int) -> Norms:
        return Norms(self.base[f"{index}.norm1"], self.base[f"{index}.norm2"])


def run_layer(
    x: Tensor,
    norms: Norms,
    turn: tuple[Tensor, Tensor],
    multiply: Callable[[Tensor, str], Tensor],
    attends: Callable[[Tensor, Tensor, Tensor], Tensor],
    sizes: Sizes,
    parts: Parts,
) -> Tensor:
    """One layer over `x` [B, N, H]; `multiply` by the matrix of a name, `attends` of queries
    [B, S, G, N, D], keys and values [B, S, N, D]."""
    batch, total, _ = x.shape
    shared, size, eps = sizes
    joined = multiply(parts.norm(x, norms.first, eps), "qkv")
    inner = joined.shape[-1] - 2 * shared * size
    split = joined.split([inner, shared * size, shared * size], dim=-1)
    query, key, value = (each.view(batch, total, -1, size).transpose(1, 2) for each in split)
    query = parts.rotate(query, *turn, size**-0.5)
    key = parts.rotate(key, *turn, 1.0)
    read = attends(query.unflatten(1, (shared, -1)), key, value)
    x = x + multiply(read.transpose(1, 2).reshape(batch, total, inner), "out")
    both = multiply(parts.norm(x, norms.second, eps), "gate_up")
    return x + multiply(parts.gate(both), "down")


def gate(both: Tensor) -> Tensor:
    opened, up = both.chunk(2, dim=-1)
    gated: Tensor = functional.silu(opened) * up
    return gated


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = x.float()
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return (wide * scale * weight.float()).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, scale: float) -> Tensor:
    """`x` [B, heads, N, D] turned by `cos`, `sin` [B, N, D / 2], and scaled."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = cos[:, None], sin[:, None]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1) * scale
