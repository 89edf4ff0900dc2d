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
from engine.training.adapt.attention import UNSEEN, Sight, attend
from engine.training.adapt.data import Batch
from engine.training.adapt.products import embed, product


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
            "qkv": (wide, queries + 2 * keys),
            "out": (wide, queries),
            "norm2": (wide,),
            "gate_up": (wide, 2 * inner),
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


# Stored [in, out], unlike the base's: see products.py.
TURNED = ("qkv", "gate_up")


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
        whole = torch.cat([weights[part].to(view.dtype) for part in parts_of(name)])
        view.copy_(whole.T if name.endswith(TURNED) else whole)


def to_checkpoint(weights: dict[str, Tensor], dimensions: Dimensions) -> dict[str, Tensor]:
    """The weights under Llama's names."""
    keys = dimensions.num_key_value_heads * dimensions.head_dim
    queries = dimensions.num_attention_heads * dimensions.head_dim
    rows = {"qkv": [queries, keys, keys], "gate_up": [dimensions.intermediate_size] * 2}
    found: dict[str, Tensor] = {}
    for name, weight in weights.items():
        parts = parts_of(name)
        whole = weight.T if name.endswith(TURNED) else weight
        blocks = whole.split(rows.get(name.rpartition(".")[2], [len(whole)]))
        found |= {
            part: block.clone(memory_format=torch.contiguous_format)
            for part, block in zip(parts, blocks, strict=True)
        }
    return found


def sight_of(batch: Batch, dimensions: Dimensions, groups: int, dtype: torch.dtype) -> Sight:
    """What every position may see, and how far along it is; the same in every layer."""
    device = batch.chunk.device
    size, length = batch.chunk.shape
    order = torch.arange(batch.canvas.shape[2], device=device)
    places = torch.arange(length, device=device)
    canvas = (batch.start[:, :, None] + batch.place).flatten(1)
    positions = torch.cat((places.expand(size, length), canvas), dim=1)
    exponent = torch.arange(0, dimensions.head_dim, 2, device=device) / dimensions.head_dim
    angles = positions[..., None].float() / dimensions.rope_theta**exponent
    later = order[None, :] > order[:, None]
    return Sight(
        cos=angles.cos().to(dtype),
        sin=angles.sin().to(dtype),
        chunk=_added(places[None, :] > places[:, None], dtype),
        past=_added(places >= batch.start[:, :, None], dtype),
        own=_added(later & batch.causal[:, :, None, None], dtype),
        groups=groups,
    )


def _added(hidden: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill(hidden, UNSEEN)


class LayerWeights(NamedTuple):
    """Of one layer, as `Dimensions.shapes` names them."""

    norm1: Tensor
    qkv: Tensor
    out: Tensor
    norm2: Tensor
    gate_up: Tensor
    down: Tensor


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
        parts: tuple[Callable[..., Tensor], ...] = (rms_norm, rotate, gate)
        if compiled:
            # Each by itself: a whole layer, compiled by torch 2.13 for a CPU, gives NaN gradients.
            parts = tuple(torch.compile(part, dynamic=False) for part in parts)
        self._parts = Parts(*parts)

    @property
    def norms(self) -> list[Tensor]:
        """The weights whose gradients are added to what is there; all others' are written anew."""
        return [weight for weight in self.weights.values() if weight.ndim == 1]

    def hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Final states of chunks [B, T, H] and of canvases [B, K, C, H]."""
        shape = self.dimensions
        length = batch.chunk.shape[1]
        embedding = self.weights["embedding"]
        sight = sight_of(batch, shape, self.groups, embedding.dtype)
        ids = torch.cat((batch.chunk, batch.canvas.flatten(1)), dim=1)
        hidden = embed(ids, embedding)
        sizes = Sizes(shape.num_key_value_heads, shape.head_dim, shape.rms_norm_eps)
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
    shared, size, eps = sizes
    inner = weights.out.shape[1]
    joined = product(parts.norm(x, weights.norm1, eps), weights.qkv)
    split = joined.split([inner, shared * size, shared * size], dim=-1)
    query, key, value = (each.view(batch, total, -1, size).transpose(1, 2) for each in split)
    query = parts.rotate(query, sight.cos, sight.sin, size**-0.5)
    key = parts.rotate(key, sight.cos, sight.sin, 1.0)
    read = attend(query.unflatten(1, (shared, -1)), key, value, sight)
    x = x + product(read.transpose(1, 2).reshape(batch, total, inner), weights.out)
    both = product(parts.norm(x, weights.norm2, eps), weights.gate_up)
    return x + product(parts.gate(both), weights.down)


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
