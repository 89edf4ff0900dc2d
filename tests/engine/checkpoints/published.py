"""NVIDIA's NVFP4 checkpoint of DiffusionGemma as it is published, without its bytes.

Names, types, shapes and files are those of nvidia/diffusiongemma-26B-A4B-it-NVFP4 on the hub; the
files are as long as the real ones, and holes: they take no room on a disk.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.checkpoints.files import read_json
from engine.checkpoints.survey import SHAPE
from tests.engine.checkpoints import writer

LAYERS, VOCABULARY = 30, 262144
Tensors = dict[str, tuple[str, tuple[int, ...]]]


def write(folder: Path, layers: int = LAYERS, vocabulary: int = VOCABULARY) -> int:
    """The folder as a hub serves it, all of it or the first layers; the bytes of its tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(layers, vocabulary)))
    found = tensors(layers, vocabulary)
    names, size = list(found), 0
    placed: dict[str, str] = {}
    for shard, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = f"model-0000{shard}-of-00002.safetensors"
        size += writer.write_hollow(folder / file, {name: found[name] for name in part})
        placed |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    return size


def config(layers: int = LAYERS, vocabulary: int = VOCABULARY) -> dict[str, Any]:
    document = read_json(SHAPE)
    kinds = [
        "full_attention" if _is_full(layer, layers) else "sliding_attention"
        for layer in range(layers)
    ]
    document["text_config"] |= {
        "num_hidden_layers": layers, "layer_types": kinds, "vocab_size": vocabulary
    }  # fmt: skip
    return document


def tensors(layers: int = LAYERS, vocabulary: int = VOCABULARY) -> Tensors:
    """Type and shape by name; full attention in every sixth layer, and in the last."""
    wide, inner, dense = 2816, 704, 2112
    found: Tensors = {}

    def bf16(name: str, *shape: int) -> None:
        found["model." + name] = ("BF16", shape)

    bf16("decoder.embed_tokens.weight", vocabulary, wide)
    bf16("decoder.norm.weight", wide)
    bf16("decoder.self_conditioning.pre_norm.weight", wide)
    for name, shape in {"gate": (dense, wide), "up": (dense, wide), "down": (wide, dense)}.items():
        bf16(f"decoder.self_conditioning.{name}_proj.weight", *shape)
    for layer in range(layers):
        at, full = f"decoder.layers.{layer}.", _is_full(layer, layers)
        for norm in (
            "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
            "post_feedforward_layernorm", "post_feedforward_layernorm_1",
            "pre_feedforward_layernorm_2", "post_feedforward_layernorm_2",
        ):  # fmt: skip
            bf16(f"{at}{norm}.weight", wide)
        bf16(at + "layer_scalar", 1)
        bf16(f"encoder.language_model.layers.{layer}.layer_scalar", 1)
        query, key, head = (8192, 1024, 512) if full else (4096, 2048, 256)
        bf16(at + "self_attn.q_proj.weight", query, wide)
        bf16(at + "self_attn.k_proj.weight", key, wide)
        if not full:
            bf16(at + "self_attn.v_proj.weight", key, wide)
        bf16(at + "self_attn.o_proj.weight", wide, query)
        bf16(at + "self_attn.q_norm.weight", head)
        bf16(at + "self_attn.k_norm.weight", head)
        bf16(at + "mlp.gate_proj.weight", dense, wide)
        bf16(at + "mlp.up_proj.weight", dense, wide)
        bf16(at + "mlp.down_proj.weight", wide, dense)
        bf16(at + "router.proj.weight", 128, wide)
        bf16(at + "router.scale", wide)
        bf16(at + "router.per_expert_scale", 128)
        for expert in range(128):
            for name, out, into in (
                ("gate", inner, wide), ("up", inner, wide), ("down", wide, inner)
            ):  # fmt: skip
                stem = f"model.{at}experts.{expert}.{name}_proj."
                found[stem + "weight"] = ("U8", (out, into // 2))
                found[stem + "weight_scale"] = ("F8_E4M3", (out, into // 16))
                found[stem + "weight_scale_2"] = ("F32", ())
                found[stem + "input_scale"] = ("F32", ())
    for index in range(355):  # names are of no matter: they are not read
        bf16(f"encoder.vision_tower.part.{index}", 1152, 1)
    bf16("encoder.embed_vision.embedding_projection.weight", wide, 1152)
    return found


def _is_full(layer: int, layers: int) -> bool:
    return layer % 6 == 5 or layer == layers - 1
