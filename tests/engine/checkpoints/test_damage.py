"""Checkpoints that are not whole, or lie, are refused by the name of what is wrong, before a weight
is read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from engine.api import ModelMissing
from engine.checkpoints import load as loading
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.load import load_model
from tests.engine.checkpoints import writer
from tests.engine.checkpoints.layouts import GATE, LAYOUTS
from tests.engine.checkpoints.writer import CONFIG, Matrix, Raw


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to one layout's tensors, and the words the refusal has."""

    layout: str
    do: Callable[[dict[str, Raw]], object]
    words: tuple[str, ...]
    mend: str = "fetch the model again"


def drop(name: str) -> Callable[[dict[str, Raw]], object]:
    return lambda tensors: tensors.pop(name)


def put(name: str, dtype: str, *shape: int) -> Callable[[dict[str, Raw]], object]:
    data = bytes(writer.ITEM[dtype] * math.prod(shape))
    return lambda tensors: tensors.update({name: Raw(dtype, shape, data)})


ATTENTION = "model.decoder.layers.0.self_attn.q_proj"


DAMAGES = {
    "bf16: experts gone": Damage(
        "google bf16",
        drop("model.decoder.layers.1.experts.down_proj"),
        ("lacks", "model.decoder.layers.1.experts.down_proj"),
    ),
    "bf16: experts of another shape": Damage(
        "google bf16",
        put("model.decoder.layers.1.experts.down_proj", "BF16", 4, 32, 8),
        ("layers.1.experts.down_proj", "[4, 32, 8]", "[4, 32, 16]"),
    ),
    "bf16: integers": Damage(
        "google bf16",
        put("model.decoder.norm.weight", "I32", 32),
        ("model.decoder.norm.weight", "I32"),
        "fetch the bfloat16 version",
    ),
    "fp8: no scale": Damage("fp8", drop(ATTENTION + ".weight_scale"), (ATTENTION + ".weight_sc",)),
    "fp8: scale of other channels": Damage(
        "fp8",
        put(ATTENTION + ".weight_scale", "F32", 31, 1),
        (ATTENTION + ".weight_scale", "[31, 1]"),
    ),
    "fp8: no values": Damage("fp8", drop(GATE + ".weight"), ("lacks", GATE + ".weight")),
    "fp8: one expert in bf16": Damage(
        "fp8",
        lambda tensors: (
            put(GATE + ".weight", "BF16", 16, 32)(tensors), drop(GATE + ".weight_scale")(tensors)
        ),
        (GATE, "several formats"),
    ),
    "modelopt: no values": Damage("nvfp4 modelopt", drop(GATE + ".weight"), (GATE + ".weight",)),
    "modelopt: no block scales": Damage(
        "nvfp4 modelopt", drop(GATE + ".weight_scale"), ("lacks", GATE + ".weight_scale")
    ),
    "modelopt: no global scale": Damage(
        "nvfp4 modelopt",
        drop(GATE + ".weight_scale_2"),
        (GATE, "without the scales of NVFP4"),
        "fetch the bfloat16 version",
    ),
    "modelopt: global scale of another type": Damage(
        "nvfp4 modelopt", put(GATE + ".weight_scale_2", "BF16"), (GATE + ".weight_scale_2", "BF16")
    ),
    "modelopt: unpacked": Damage(
        "nvfp4 modelopt", put(GATE + ".weight", "U8", 16, 32), (GATE + ".weight", "[16, 32]")
    ),
    "modelopt: blocks of 32": Damage(
        "nvfp4 modelopt",
        put(GATE + ".weight_scale", "F8_E4M3", 16, 1),
        (GATE + ".weight_scale", "[16, 1]", "[16, 2]"),
    ),
    "compressed: no values": Damage(
        "nvfp4 compressed-tensors",
        drop(GATE + ".weight_packed"),
        ("lacks", GATE + ".weight_packed"),
    ),
    "compressed: no global scale": Damage(
        "nvfp4 compressed-tensors",
        drop(GATE + ".weight_global_scale"),
        ("lacks", GATE + ".weight_global_scale"),
    ),
    "an expert is missing": Damage(
        "nvfp4 compressed-tensors",
        lambda tensors: [tensors.pop(n) for n in list(tensors) if n.startswith(GATE + ".")],
        ("layers.1.experts", "gate_proj"),
    ),
    "awq": Damage(
        "google bf16",
        lambda tensors: (
            drop(ATTENTION + ".weight")(tensors),
            put(ATTENTION + ".qweight", "I32", 4, 4)(tensors),
        ),
        (ATTENTION, "AWQ or GPTQ"),
        "fetch the bfloat16 version",
    ),
    "pack-quantized": Damage(
        "nvfp4 compressed-tensors",
        put(GATE + ".weight_packed", "I32", 16, 4),
        (GATE, "pack-quantized"),
        "fetch the bfloat16 version",
    ),
    "mlx": Damage(
        "google bf16",
        put(ATTENTION + ".weight", "U32", 32, 4),
        (ATTENTION, "MLX"),
        "fetch the bfloat16 version",
    ),
    "int8: no scale": Damage(
        "int8", drop(ATTENTION + ".weight_scale"), ("lacks", ATTENTION + ".weight_scale")
    ),
    "int8: a scale per group": Damage(
        "int8",
        put(ATTENTION + ".weight_scale", "BF16", 32, 2),
        (ATTENTION + ".weight_scale", "[32, 2]"),
    ),
    "int8: a zero point": Damage(
        "int8",
        put(ATTENTION + ".weight_zero_point", "I8", 32, 1),
        (ATTENTION, "zero point"),
        "fetch the bfloat16 version",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_refused_by_name_before_anything_is_read(
    damage: Damage, source: dict[str, Matrix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = LAYOUTS[damage.layout].write(source)
    damage.do(tensors)
    writer.write_model(tmp_path, tensors, shards=2)
    monkeypatch.setattr(loading, "read_weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(ModelMissing) as caught:
        load_model(tmp_path, "cpu", torch.float32)
    message = str(caught.value)
    for words in (*damage.words, damage.mend):
        assert words in message
    assert "\n" not in message


def test_a_file_cut_short_is_refused_by_its_tensor(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    last = sorted(tmp_path.glob("*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(ModelMissing, match=r"truncated: tensor model\.\S+ ends at byte") as caught:
        open_checkpoint(tmp_path)
    assert last.name in str(caught.value)


def test_a_missing_shard_is_refused_by_a_tensor_of_it(
    source: dict[str, Matrix], tmp_path: Path
) -> None:
    writer.write_model(tmp_path, writer.google_bf16(source), shards=3)
    (tmp_path / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ModelMissing, match=r"lacks the tensor .* model-00002-of-00003"):
        open_checkpoint(tmp_path)


HEADERS = {
    "longer than the file": (b"\xff\0\0\0\0\0\0\0{}", "truncated"),
    "a list": (b"\x02\0\0\0\0\0\0\0[]", "no JSON object"),
    "no shape": (writer.header_of({"a": ("U8", (2,))}).replace(b"shape", b"shepa"), "for a makes"),
    "negative": (writer.header_of({"a": ("U8", (2,))}).replace(b"[2]", b"[-]"), "not a safetens"),
    "of too few bytes": (
        writer.header_of({"a": ("U8", (2,))}).replace(b"[2]", b"[9]") + b"12",
        "tensor a has 2 bytes",
    ),
    "overlapping": (
        writer.header_of({"a": ("U8", (2,)), "b": ("U8", (2,))}).replace(b"[2, 4]", b"[1, 3]")
        + b"1234",
        "tensors a and b overlap",
    ),
}


@pytest.mark.parametrize(("content", "words"), HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelMissing, match=words):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("model.gguf", "GGUF"), ("pytorch_model.bin", "can run code"), ("pack.dgq", "diffgemma")],
)
def test_weights_of_another_kind_are_refused_with_the_reason(
    name: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / name).write_bytes(b"1234")
    with pytest.raises(ModelMissing, match=words):
        open_checkpoint(tmp_path)
