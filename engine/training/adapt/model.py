"""The base's layers as they are trained: chunks and their canvases in one pass, a layer compiled.

Llama: RMSNorm, rotary halves, grouped queries, SiLU gate, tied head. Weights that read the same
input lie together (q/k/v, gate/up), and all of them are views of one flat buffer, so that several
processes share it and an optimiser goes over it once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from engine.checkpoints.files import read_json
from engine.training.adapt.data import Batch

UNSEEN = -1e30


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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every weight, by the names they have here, in the order of the flat buffer."""
        wide, inner = self.hidden_size, self.intermediate_size
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        layer: dict[str, tuple[int, ...]] = {
            "norm1": (wide,),
            "qkv": (queries + 2 * keys, wide),
            "out": (wide, queries),
            "norm2": (wide,),
            "gate_up": (2 * inner, wide),
            "down": (wide, inner),
        }
        shapes: dict[str, tuple[int, ...]] = {"embedding": (self.vocab_size, wide)}
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


def views(flat: Tensor, dimensions: Dimensions) -> dict[str, Tensor]:
    """The weights as views of a flat buffer."""
    found: dict[str, Tensor] = {}
    at = 0
    for name, shape in dimensions.shapes().items():
        size = torch.Size(shape).numel()
        found[name] = flat[at : at + size].view(shape)
        at += size
    return found


def size_of(dimensions: Dimensions) -> int:
    """Elements of the flat buffer."""
    return sum(torch.Size(shape).numel() for shape in dimensions.shapes().values())


def read_weights(folder: Path, into: dict[str, Tensor]) -> None:
    """Copy the checkpoint in `folder` (Llama's names) into the views `into`."""
    weights = load_file(folder / "model.safetensors")
    for name, view in into.items():
        view.copy_(torch.cat([weights[part].to(view.dtype) for part in parts_of(name)]))


def to_checkpoint(weights: dict[str, Tensor], dimensions: Dimensions) -> dict[str, Tensor]:
    """The weights under Llama's names."""
    keys = dimensions.num_key_value_heads * dimensions.head_dim
    queries = dimensions.num_attention_heads * dimensions.head_dim
    rows = {"qkv": [queries, keys, keys], "gate_up": [dimensions.intermediate_size] * 2}
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        parts = parts_of(name)
        blocks = weight.split(rows.get(name.rpartition(".")[2], [len(weight)]))
        found |= {part: block.clone() for part, block in zip(parts, blocks, strict=True)}
    return found


class Sight(NamedTuple):
    """What every position may see, and how far along it is; the same in every layer.

    `cos`, `sin` [B, T + K * C, D / 2]. `chunk` [T, T] and `own` [B, K, C, C] are added to scores:
    0 where a position is seen. `past` [B, K, T]: the chunk's tokens before a canvas.
    """

    cos: Tensor
    sin: Tensor
    chunk: Tensor
    past: Tensor
    own: Tensor


def sight_of(batch: Batch, dimensions: Dimensions, dtype: torch.dtype) -> Sight:
    device = batch.chunk.device
    size, length = batch.chunk.shape
    width = batch.canvas.shape[2]
    places, offsets = torch.arange(length, device=device), torch.arange(width, device=device)
    canvas = (batch.start[:, :, None] + offsets).flatten(1)
    positions = torch.cat((places.expand(size, length), canvas), dim=1)
    exponent = torch.arange(0, dimensions.head_dim, 2, device=device) / dimensions.head_dim
    angles = positions[..., None].float() / dimensions.rope_theta**exponent
    hidden = torch.tensor(UNSEEN, device=device)
    later = offsets[None, :] > offsets[:, None]
    return Sight(
        cos=angles.cos().to(dtype),
        sin=angles.sin().to(dtype),
        chunk=torch.where(places[None, :] > places[:, None], hidden, 0.0),
        past=torch.where(places >= batch.start[:, :, None], hidden, 0.0),
        own=torch.where(later & batch.causal[:, :, None, None], hidden, 0.0),
    )


class LayerWeights(NamedTuple):
    """Of one layer, as `Dimensions.shapes` names them."""

    norm1: Tensor
    qkv: Tensor
    out: Tensor
    norm2: Tensor
    gate_up: Tensor
    down: Tensor


class Sizes(NamedTuple):
    """What no tensor tells: KV heads, their size, groups of queries, the norms' epsilon."""

    shared: int
    size: int
    groups: int
    eps: float


class Parts(NamedTuple):
    """The operations of a layer that are no products of weights, as they are or compiled."""

    norm: Callable[..., Tensor]
    rotate: Callable[..., Tensor]
    attend: Callable[..., Tensor]
    gate: Callable[..., Tensor]


class Model:
    """Weights, and the pass over a batch."""

    def __init__(
        self,
        weights: dict[str, Tensor],
        dimensions: Dimensions,
        groups: int,
        *,
        compiled: bool = False,
    ) -> None:
        self.weights, self.dimensions, self.groups = weights, dimensions, groups
        parts: tuple[Callable[..., Tensor], ...] = (rms_norm, rotate, attend, gate)
        if compiled:
            # Each by itself: a whole layer, compiled by torch 2.13 for a CPU, gives NaN gradients.
            parts = tuple(torch.compile(part, dynamic=False) for part in parts)
        self._parts = Parts(*parts)

    def hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Final states of chunks [B, T, H] and of canvases [B, K, C, H]."""
        shape = self.dimensions
        length = batch.chunk.shape[1]
        embedding = self.weights["embedding"]
        sight = sight_of(batch, shape, embedding.dtype)
        ids = torch.cat((batch.chunk, batch.canvas.flatten(1)), dim=1)
        hidden = functional.embedding(ids, embedding)
        sizes = Sizes(shape.num_key_value_heads, shape.head_dim, self.groups, shape.rms_norm_eps)
        for index in range(shape.num_hidden_layers):
            layer = LayerWeights(
                *(self.weights[f"{index}.{name}"] for name in LayerWeights._fields)
            )
            hidden = run_layer(hidden, layer, sight, sizes, self._parts)
        hidden = self._parts.norm(hidden, self.weights["norm"], shape.rms_norm_eps)
        return hidden[:, :length], hidden[:, length:].view(*batch.canvas.shape, -1)


def run_layer(x: Tensor, weights: LayerWeights, sight: Sight, sizes: Sizes, parts: Parts) -> Tensor:
    """One layer over `x` [B, T + K * C, H]."""
    batch, total, _ = x.shape
    shared, size, groups, eps = sizes
    inner = weights.out.shape[1]
    joined = functional.linear(parts.norm(x, weights.norm1, eps), weights.qkv)
    split = joined.split([inner, shared * size, shared * size], dim=-1)
    query, key, value = (each.view(batch, total, -1, size).transpose(1, 2) for each in split)
    query = parts.rotate(query, sight.cos, sight.sin, size**-0.5)
    key = parts.rotate(key, sight.cos, sight.sin, 1.0)
    read = parts.attend(query.unflatten(1, (shared, -1)), key, value, sight, groups)
    x = x + functional.linear(read.transpose(1, 2).reshape(batch, total, inner), weights.out)
    both = functional.linear(parts.norm(x, weights.norm2, eps), weights.gate_up)
    return x + functional.linear(parts.gate(both), weights.down)


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


def attend(query: Tensor, key: Tensor, value: Tensor, sight: Sight, groups: int) -> Tensor:
    """`query` [B, S, G, N, D], of which G share a key of `key`, `value` [B, S, N, D]; what is read
    [B, S * G, N, D].

    The chunk's queries go block by block, and with each block the canvases that begin in it or
    before: none multiplies what lies behind the block.
    """
    chunk, past, own = sight.chunk, sight.past, sight.own
    length, count, width = chunk.shape[0], past.shape[1], own.shape[-1]
    block, each = length // groups, count // groups
    chunks, canvases = [], []
    for group in range(groups):
        end = (group + 1) * block
        before_key, before_value = key[:, :, :end], value[:, :, :end]
        rows = slice(end - block, end)
        scores = products(query[:, :, :, rows], before_key) + chunk[rows, :end]
        chunks.append(weighted(scores.softmax(-1), before_value))

        here = slice(length + group * each * width, length + (group + 1) * each * width)
        these = slice(group * each, (group + 1) * each)
        asked = query[:, :, :, here]
        own_key, own_value = (x[:, :, here].unflatten(2, (each, width)) for x in (key, value))
        before = products(asked, before_key).unflatten(3, (each, width))
        before = before + past[:, None, None, these, None, :end]
        # [B, S, G, E, C, D] x [B, S, 1, E, C, D] -> [B, S, G, E, C, C]
        inside = (asked.unflatten(3, (each, width)) @ own_key[:, :, None].mT).float()
        inside = inside + own[:, None, None, these]
        most = torch.maximum(before.amax(-1, keepdim=True), inside.amax(-1, keepdim=True)).detach()
        before, inside = torch.exp(before - most), torch.exp(inside - most)
        whole = before.sum(-1, keepdim=True) + inside.sum(-1, keepdim=True)
        far = weighted((before / whole).flatten(3, 4), before_value)
        near = (inside / whole).to(value.dtype) @ own_value[:, :, None]
        canvases.append(far + near.flatten(3, 4))
    return torch.cat((*chunks, *canvases), dim=3).flatten(1, 2)


def products(query: Tensor, key: Tensor) -> Tensor:
    """[B, S, G, Q, D] x [B, S, N, D] -> [B, S, G, Q, N] in float32."""
    grouped = query.shape[2:4]
    scores: Tensor = (query.flatten(2, 3) @ key.mT).unflatten(2, grouped)
    return scores.float()


def weighted(share: Tensor, value: Tensor) -> Tensor:
    """[B, S, G, Q, N] x [B, S, N, D] -> [B, S, G, Q, D]"""
    grouped = share.shape[2:4]
    read: Tensor = (share.to(value.dtype).flatten(2, 3) @ value).unflatten(2, grouped)
    return read
