"""Small checkpoints in each public layout, byte by byte, from one set of random weights.

Written from the descriptions of the formats (safetensors; OCP E4M3 and E2M1; NVIDIA Model-Optimizer
and compressed-tensors), in plain Python. It shares no code with the loader.
"""

from __future__ import annotations

import json
import math
import random
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ITEM = {"BF16": 2, "F32": 4, "F8_E4M3": 1, "U8": 1, "I32": 4, "U32": 4, "I8": 1}
HIDDEN, DENSE, INNER, EXPERTS, VOCABULARY = 32, 48, 16, 4, 64
HEADS, KV_HEADS, HEAD, FULL_HEAD = 2, 1, 16, 32

CONFIG: dict[str, Any] = {
    "architectures": ["DiffusionGemmaForBlockDiffusion"],
    "model_type": "diffusion_gemma",
    "canvas_length": 12,
    "tie_word_embeddings": True,
    "text_config": {
        "model_type": "diffusion_gemma_text",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": DENSE,
        "moe_intermediate_size": INNER,
        "num_experts": EXPERTS,
        "top_k_experts": EXPERTS,  # no near ties, which rounding would turn
        "num_hidden_layers": 2,
        "layer_types": ["sliding_attention", "full_attention"],
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "num_global_key_value_heads": KV_HEADS,
        "global_head_dim": FULL_HEAD,
        "sliding_window": 8,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "final_logit_softcapping": 30.0,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            "full_attention": {
                "rope_type": "proportional",
                "partial_rotary_factor": 0.25,
                "rope_theta": 1000.0,
            },
        },
    },
}


@dataclass(slots=True)
class Raw:
    """A tensor as bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class Matrix:
    """[rows][columns] of floats that bf16 holds exactly; a vector has one row and a flat shape."""

    shape: tuple[int, ...]
    rows: list[list[float]] = field(repr=False)


def weights(seed: int = 0) -> dict[str, Matrix]:
    """Names below `model.decoder.`; experts one by one."""
    rng = random.Random(seed)

    def matrix(rows: int, columns: int) -> Matrix:
        std = columns**-0.5
        values = [[_as_bf16(rng.gauss(0, std)) for _ in range(columns)] for _ in range(rows)]
        return Matrix((rows, columns), values)

    def vector(size: int, mean: float = 1.0) -> Matrix:
        return Matrix((size,), [[_as_bf16(rng.gauss(mean, 0.2)) for _ in range(size)]])

    found = {"embed_tokens.weight": matrix(VOCABULARY, HIDDEN), "norm.weight": vector(HIDDEN)}
    for layer, kind in enumerate(CONFIG["text_config"]["layer_types"]):
        at = f"layers.{layer}."
        head = HEAD if kind == "sliding_attention" else FULL_HEAD
        found[at + "layer_scalar"] = vector(1, 0.8)
        for name in (
            "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
            "post_feedforward_layernorm", "post_feedforward_layernorm_1",
            "pre_feedforward_layernorm_2", "post_feedforward_layernorm_2",
        ):  # fmt: skip
            found[f"{at}{name}.weight"] = vector(HIDDEN)
        found[at + "self_attn.q_proj.weight"] = matrix(HEADS * head, HIDDEN)
        found[at + "self_attn.k_proj.weight"] = matrix(KV_HEADS * head, HIDDEN)
        if kind == "sliding_attention":
            found[at + "self_attn.v_proj.weight"] = matrix(KV_HEADS * head, HIDDEN)
        found[at + "self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * head)
        found[at + "self_attn.q_norm.weight"] = vector(head, 0.3)
        found[at + "self_attn.k_norm.weight"] = vector(head)
        found[at + "mlp.gate_proj.weight"] = matrix(DENSE, HIDDEN)
        found[at + "mlp.up_proj.weight"] = matrix(DENSE, HIDDEN)
        found[at + "mlp.down_proj.weight"] = matrix(HIDDEN, DENSE)
        found[at + "router.proj.weight"] = matrix(EXPERTS, HIDDEN)
        found[at + "router.scale"] = vector(HIDDEN)
        found[at + "router.per_expert_scale"] = vector(EXPERTS)
        for expert in range(EXPERTS):
            # Gate and up of one expert differ in size, so that a scale for both would show.
            found[f"{at}experts.{expert}.gate_proj.weight"] = matrix(INNER, HIDDEN)
            up = matrix(INNER, HIDDEN)
            up.rows = [[8 * value for value in row] for row in up.rows]
            found[f"{at}experts.{expert}.up_proj.weight"] = up
            found[f"{at}experts.{expert}.down_proj.weight"] = matrix(HIDDEN, INNER)
    found["self_conditioning.pre_norm.weight"] = vector(HIDDEN)
    found["self_conditioning.gate_proj.weight"] = matrix(DENSE, HIDDEN)
    found["self_conditioning.up_proj.weight"] = matrix(DENSE, HIDDEN)
    found["self_conditioning.down_proj.weight"] = matrix(HIDDEN, DENSE)
    return found


def google_bf16(source: dict[str, Matrix]) -> dict[str, Raw]:
    """Experts stacked, encoder duplicates, a vision tower."""
    tensors: dict[str, Raw] = {}
    for name, matrix in source.items():
        if ".experts." not in name:
            tensors["model.decoder." + name] = bf16(matrix)
    for layer in range(2):
        at, stem = f"layers.{layer}.experts.", f"model.decoder.layers.{layer}.experts."
        gate_up = down = b""
        for expert in range(EXPERTS):
            gate_up += bf16(source[f"{at}{expert}.gate_proj.weight"]).data
            gate_up += bf16(source[f"{at}{expert}.up_proj.weight"]).data
            down += bf16(source[f"{at}{expert}.down_proj.weight"]).data
        tensors[stem + "gate_up_proj"] = Raw("BF16", (EXPERTS, 2 * INNER, HIDDEN), gate_up)
        tensors[stem + "down_proj"] = Raw("BF16", (EXPERTS, HIDDEN, INNER), down)
        scalar = tensors[f"model.decoder.layers.{layer}.layer_scalar"]
        tensors[f"model.encoder.language_model.layers.{layer}.layer_scalar"] = scalar
    return {**tensors, **_vision()}


def compressed_tensors_fp8(source: dict[str, Matrix]) -> dict[str, Raw]:
    """Attention, dense MLP and experts in FP8; the rest in bf16."""
    return _by_channel(source, "F8_E4M3", 448, e4m3)


def compressed_tensors_int8(source: dict[str, Matrix]) -> dict[str, Raw]:
    """The same matrices as integers."""
    return _by_channel(source, "I8", 127, lambda value: round(value) & 0xFF)


def _by_channel(
    source: dict[str, Matrix], dtype: str, most: int, code: Callable[[float], int]
) -> dict[str, Raw]:
    """A row's largest value is stored as `most`."""
    tensors: dict[str, Raw] = {}
    for name, matrix in source.items():
        stem = "model.decoder." + name
        if not any(part in name for part in (".self_attn.", ".mlp.", ".experts.")) or (
            len(matrix.shape) == 1
        ):
            tensors[stem] = bf16(matrix)
            continue
        scales = [max(map(abs, row)) / most for row in matrix.rows]
        codes = bytes(
            code(value / scale)
            for row, scale in zip(matrix.rows, scales, strict=True)
            for value in row
        )
        tensors[stem] = Raw(dtype, matrix.shape, codes)
        tensors[stem + "_scale"] = Raw("F32", (len(scales), 1), _f32(*scales))
    return {**tensors, **_vision()}


def modelopt_nvfp4(source: dict[str, Matrix]) -> dict[str, Raw]:
    """Experts in NVFP4; the rest in bf16."""
    tensors: dict[str, Raw] = {}
    for name, matrix in source.items():
        stem = "model.decoder." + name
        if ".experts." not in name:
            tensors[stem] = bf16(matrix)
            continue
        module = stem.removesuffix(".weight")
        packed, scales, scale = nvfp4(matrix.rows)
        rows, columns = matrix.shape
        tensors[module + ".weight"] = Raw("U8", (rows, columns // 2), packed)
        tensors[module + ".weight_scale"] = Raw("F8_E4M3", (rows, columns // 16), scales)
        tensors[module + ".weight_scale_2"] = Raw("F32", (), _f32(scale))
        tensors[module + ".input_scale"] = Raw("F32", (), _f32(0.01))
    return {**tensors, **_vision()}


def compressed_tensors_nvfp4(source: dict[str, Matrix]) -> dict[str, Raw]:
    """The same bytes under other names, with the inverse of the global scale."""
    renamed = {}
    for name, raw in modelopt_nvfp4(source).items():
        module, _, suffix = name.rpartition(".")
        if ".experts." not in name:
            renamed[name] = raw
        elif suffix == "weight":
            renamed[module + ".weight_packed"] = raw
        elif suffix == "weight_scale":
            renamed[name] = raw
        else:
            inverse = 1 / struct.unpack("<f", raw.data)[0]
            other = "weight_global_scale" if suffix == "weight_scale_2" else "input_global_scale"
            renamed[f"{module}.{other}"] = Raw("F32", (1,), _f32(inverse))
    return renamed


def write_model(
    folder: Path,
    tensors: dict[str, Raw],
    *,
    shards: int = 1,
    config: dict[str, Any] = CONFIG,
) -> None:
    """A folder as a hub serves it: config, one file or several with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    names = sorted(tensors)
    if shards == 1:
        write_file(folder / "model.safetensors", tensors)
        return
    placed = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        write_file(folder / name, {each: tensors[each] for each in part})
        placed |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_file(path: Path, tensors: dict[str, Raw]) -> None:
    """8 bytes of length, the header as JSON padded to 8 with blanks, the tensors one by one."""
    data = b"".join(raw.data for raw in tensors.values())
    path.write_bytes(header_of({name: (r.dtype, r.shape) for name, r in tensors.items()}) + data)


def write_hollow(path: Path, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> int:
    """The header of `tensors` and, instead of bytes, a hole of their size. Returns that size."""
    header = header_of(tensors)
    size = sum(ITEM[dtype] * math.prod(shape) for dtype, shape in tensors.values())
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + size)
    return size


def header_of(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + ITEM[dtype] * math.prod(shape)
        entries[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def bf16(matrix: Matrix) -> Raw:
    """The upper half of each float32, little endian."""
    data = b"".join(_f32(value)[2:] for row in matrix.rows for value in row)
    return Raw("BF16", matrix.shape, data)


def nvfp4(rows: Sequence[Sequence[float]]) -> tuple[bytes, bytes, float]:
    """Packed values, block scales, global scale of one matrix."""
    amax = max(abs(value) for row in rows for value in row)
    (scale,) = struct.unpack("<f", _f32(amax / (6 * 448)))
    packed, scales = bytearray(), bytearray()
    for row in rows:
        for block in _blocks(row, 16):
            wanted = max(map(abs, block)) / (6 * scale)
            code = e4m3(min(max(wanted, 2**-9), 448.0)) if wanted else e4m3(1.0)
            scales.append(code)
            step = E4M3[code] * scale
            codes = [e2m1(value / step) for value in block]
            packed += bytes(high << 4 | low for low, high in _pairs(codes))
    return bytes(packed), bytes(scales), scale


# 1 sign, 4 exponent (bias 7), 3 mantissa bits; without infinities, 0x7f is NaN.
E4M3 = [
    (code & 7) * 2.0**-9 if code < 8 else (8 + (code & 7)) * 2.0 ** ((code >> 3) - 10)
    for code in range(0x7F)
]


def e4m3(value: float) -> int:
    """The nearest code; of two equally near the even one."""
    size = min(abs(value), 448.0)
    above = min(bisect_left(E4M3, size), len(E4M3) - 1)
    code = min((max(above - 1, 0), above), key=lambda each: (abs(E4M3[each] - size), each % 2))
    return code | (0x80 if math.copysign(1, value) < 0 else 0)


E2M1_BOUNDS = (0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0)  # between 0 .5 1 1.5 2 3 4 6


def e2m1(value: float) -> int:
    """0..7, and bit 3 for the sign; a tie goes to the even code."""
    size = abs(value)
    code = 0
    for at, bound in enumerate(E2M1_BOUNDS):
        if size > bound or (size == bound and at % 2 == 1):
            code = at + 1
    return code | (8 if value < 0 else 0)


def _vision() -> dict[str, Raw]:
    names = ("encoder.vision_tower.encoder.layers.0.mlp.gate_proj.linear.weight",
             "encoder.embed_vision.embedding_projection.weight")  # fmt: skip
    return {f"model.{name}": Raw("BF16", (4, 2), bytes(16)) for name in names}


def _f32(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def _as_bf16(value: float) -> float:
    (cut,) = struct.unpack("<f", b"\0\0" + _f32(value)[2:])
    return float(cut)


def _blocks(row: Sequence[float], size: int) -> Iterator[Sequence[float]]:
    for start in range(0, len(row), size):
        yield row[start : start + size]


def _pairs(codes: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip(codes[::2], codes[1::2], strict=True)
