"""A folder whose weights are one GGUF file, run by way of `transformers`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.api import FillRequest, ModelMissing, Shape
from engine.checkpoints import gguf as reading
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.load import load_model, load_weights
from engine.checkpoints.tokenizer import tokenizer_of
from engine.fill.load import load_engine
from engine.models.family import Look, Model
from tests.engine.checkpoints.released import BY_NAME, ROWS, SHAPE, WORD, bytes_and_merges, files

gguf: Any = pytest.importorskip("gguf", reason="gguf is not installed: run make setup")

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
RELEASE = BY_NAME["open-dcoder-0.5b"]
REQUEST = FillRequest(("def f(a):\n    return", "\n"), "python", shape=Shape.LINE)


def write(folder: Path, packed: str) -> tuple[Path, Path]:
    """Open-dCoder at tiny size as it is released, and as one GGUF file in another folder."""
    released, into = folder / "released", folder / "gguf"
    released.mkdir()
    into.mkdir()
    for name, content in files(RELEASE).items():
        (released / name).write_bytes(content)
    writer = gguf.GGUFWriter(into / "model.gguf", "qwen2")
    writer.add_name("tiny")
    writer.add_context_length(SHAPE["max_position_embeddings"])
    writer.add_block_count(SHAPE["num_hidden_layers"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_head_count(SHAPE["num_attention_heads"])
    writer.add_head_count_kv(SHAPE["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(SHAPE["rms_norm_eps"])
    writer.add_rope_freq_base(SHAPE["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(ROWS)
    vocabulary, merges = bytes_and_merges()
    tokens = [*sorted(vocabulary, key=lambda text: vocabulary[text]), *RELEASE.added]
    kinds = [1] * len(vocabulary) + [3] * len(RELEASE.added)
    spare = range(len(tokens), ROWS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([*tokens, *(f"[PAD{number}]" for number in spare)])
    writer.add_token_types([*kinds, *(5 for _ in spare)])
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_eos_token_id(RELEASE.id_of("<|endoftext|>"))
    writer.add_pad_token_id(RELEASE.id_of("<|endoftext|>"))
    for name, tensor in load_file(released / "model.safetensors").items():
        _add(writer, name, tensor, packed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return released, into


def _add(writer: Any, name: str, tensor: Tensor, packed: str) -> None:
    module, _, leaf = name.rpartition(".")
    layer = ""
    if module.startswith("model.layers."):
        _, _, number, module = module.split(".", 3)
        layer = f"blk.{number}."
    values = tensor.float().numpy()
    kind = gguf.GGMLQuantizationType[packed]
    if packed == "F32" or values.ndim == 1 or values.shape[-1] % 32:
        writer.add_tensor(f"{layer}{NAMES[module]}.{leaf}", values)
    else:
        writer.add_tensor(
            f"{layer}{NAMES[module]}.{leaf}", gguf.quantize(values, kind), raw_dtype=kind
        )


def logits(model: Model[Any]) -> Tensor:
    canvas, at = torch.arange(30, 54).view(2, 12), torch.arange(12).expand(2, -1)
    with torch.no_grad():
        (found,) = model.look([Look(canvas, model.encode(torch.arange(20)), at)])
    return found


@pytest.mark.parametrize(("packed", "off"), [("F32", 1e-4), ("Q8_0", 0.2)])
def test_it_is_the_model_that_was_packed(packed: str, off: float, tmp_path: Path) -> None:
    released, into = write(tmp_path, packed)
    checkpoint = open_checkpoint(into)
    expected = open_checkpoint(released)
    assert checkpoint.config.masked == expected.config.masked
    found = logits(load_weights(checkpoint, torch.device("cpu"), torch.float32))
    torch.testing.assert_close(found, logits(load_model(released)), atol=off, rtol=0)
    sizes = [
        sum(torch.Size(each.shape).numel() for each in it.placed) for it in (checkpoint, expected)
    ]
    assert sizes[0] == sizes[1]


def test_it_fills(tmp_path: Path) -> None:
    released, into = write(tmp_path, "Q8_0")
    engine, whole = load_engine(str(into), "cpu"), load_engine(str(released), "cpu")
    tokens = profile_of(into, engine.model.config).tokens
    assert tokens == profile_of(released, whole.model.config).tokens
    fill = engine.fill(REQUEST)
    assert fill.texts == whole.fill(REQUEST).texts
    assert WORD in fill.texts[0]
    text = "fn main() {\n    let é = 12; // ok\n}\n"
    ids = [
        tokenizer_of(each).encode(text, add_special_tokens=False).ids for each in (into, released)
    ]
    assert ids[0] == ids[1]


def test_what_lies_beside_it_goes_before_what_it_says(tmp_path: Path) -> None:
    _, into = write(tmp_path, "F32")
    document = reading.gguf_document(into / "model.gguf")
    infill = {"attention": "causal_prefix", "mask_token_id": 7, "slack_token_id": 9}
    kept = {name: value for name, value in document.items() if name not in ("added_tokens", "gguf")}
    (into / "config.json").write_text(json.dumps({**kept, "infill": infill}), "utf-8")
    masked = open_checkpoint(into).config.masked
    assert masked is not None
    assert (masked.mask, masked.slack) == (7, 9)


def test_safetensors_go_before_it(tmp_path: Path) -> None:
    released, into = write(tmp_path, "F32")
    (released / "model.gguf").write_bytes((into / "model.gguf").read_bytes())
    assert reading.gguf_of(released) is None


def test_what_is_wrong_with_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.gguf").write_bytes(b"no such file")
    with pytest.raises(ModelMissing, match="GGUF that transformers cannot read"):
        open_checkpoint(tmp_path)
    (tmp_path / "other.gguf").write_bytes(b"no such file")
    with pytest.raises(ModelMissing, match="holds 2 GGUF files"):
        open_checkpoint(tmp_path)
    (tmp_path / "other.gguf").unlink()
    find = importlib.util.find_spec
    monkeypatch.setattr(reading, "find_spec", lambda name: None if name == "gguf" else find(name))
    with pytest.raises(ModelMissing, match=r"gguf is not installed; `.* transformers gguf`"):
        open_checkpoint(tmp_path)
