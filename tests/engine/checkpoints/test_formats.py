"""Every layout of one model: what is read, how near it comes, and what each damage says."""

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
from engine.checkpoints.formats import nbytes, whole
from engine.checkpoints.load import load_model, read_weights
from kernels.weights import FP8, INT8, NVFP4
from tests.engine.checkpoints import writer
from tests.engine.checkpoints.writer import CONFIG, Matrix, Raw

CPU = torch.device("cpu")
GATE = "model.decoder.layers.1.experts.2.gate_proj"


@dataclass(frozen=True, slots=True)
class Layout:
    """`experts` is the type that stacked experts come in; `error` bounds a weight's, in parts of
    the largest value of its block (of its row, without `block`); `drift` bounds that of logits, in
    parts of their own size."""

    write: Callable[[dict[str, Matrix]], dict[str, Raw]]
    format: str
    experts: type
    error: float
    drift: float
    shards: int = 1
    block: int | None = 16


LAYOUTS = {
    "google bf16": Layout(writer.google_bf16, "bf16", torch.Tensor, 0.0, 0.0, shards=3),
    "fp8": Layout(writer.compressed_tensors_fp8, "fp8", FP8, 1 / 16, 0.15),
    "int8": Layout(writer.compressed_tensors_int8, "int8", INT8, 1 / 250, 0.05, block=None),
    "nvfp4 modelopt": Layout(
        writer.modelopt_nvfp4, "nvfp4 (modelopt)", NVFP4, 1 / 6 + 1 / 16, 0.3, shards=2
    ),
    "nvfp4 compressed-tensors": Layout(
        writer.compressed_tensors_nvfp4,
        "nvfp4 (compressed-tensors)",
        NVFP4,
        1 / 6 + 1 / 16,
        0.3,
    ),
}


@pytest.fixture(scope="module")
def source() -> dict[str, Matrix]:
    return writer.weights()


@pytest.fixture(params=LAYOUTS, scope="module")
def layout(request: pytest.FixtureRequest) -> Layout:
    return LAYOUTS[request.param]


@pytest.fixture(scope="module")
def folder(
    layout: Layout, source: dict[str, Matrix], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("model")
    writer.write_model(folder, layout.write(source), shards=layout.shards)
    return folder


def expected(source: dict[str, Matrix]) -> dict[str, torch.Tensor]:
    """The model's weights in float32, experts stacked."""
    found = {
        name: torch.tensor(matrix.rows).view(matrix.shape)
        for name, matrix in source.items()
        if ".experts." not in name
    }
    for layer in range(2):
        at = f"layers.{layer}.experts."

        def one(expert: int, name: str, at: str = at) -> torch.Tensor:
            return torch.tensor(source[f"{at}{expert}.{name}_proj.weight"].rows)

        experts = range(writer.EXPERTS)
        found[at + "gate_up_proj"] = torch.stack(
            [torch.cat((one(e, "gate"), one(e, "up"))) for e in experts]
        )
        found[at + "down_proj"] = torch.stack([one(e, "down") for e in experts])
    return found


def test_every_weight_is_within_the_formats_error(
    layout: Layout, folder: Path, source: dict[str, Matrix]
) -> None:
    assert open_checkpoint(folder).format == layout.format
    loaded = load_model(folder, "cpu", torch.float32).state_dict()
    wanted = expected(source)
    assert loaded.keys() == wanted.keys()
    for name, tensor in wanted.items():
        error = (loaded[name] - tensor).abs()
        if ".experts." in name:
            block = layout.block or tensor.shape[-1]
            blocks = tensor.unflatten(-1, (-1, block)).abs().amax(-1, keepdim=True)
            bound = (blocks * layout.error).expand(*blocks.shape[:-1], block).flatten(-2)
            assert (error <= bound + 1e-6 * tensor.abs().max()).all(), name
            assert layout.error == 0 or error.max() > 0, f"{name} was not stored in this format"
        elif layout.format == "fp8" and any(part in name for part in ("_attn.", "mlp.")):
            assert (error <= tensor.abs() / 16 + 1e-4).all(), name
        elif layout.format == "int8" and any(part in name for part in ("_attn.", "mlp.")):
            assert (error <= tensor.abs().amax(-1, keepdim=True) / 254 * 1.01).all(), name
        else:
            assert torch.equal(loaded[name], tensor), name


@torch.no_grad()
def test_the_model_computes_what_the_bf16_one_does(
    layout: Layout, folder: Path, source: dict[str, Matrix]
) -> None:
    reference = load_model(folder, "cpu", torch.float32)
    reference.load_state_dict(expected(source))
    model = load_model(folder, "cpu", torch.float32)
    prompt, canvas = torch.arange(20) % writer.VOCABULARY, torch.arange(12)[None] + 7
    found = model.decode(canvas, model.encode(prompt))
    wanted = reference.decode(canvas, reference.encode(prompt))
    assert (found - wanted).norm() <= layout.drift * wanted.norm()


@torch.no_grad()
def test_a_model_that_keeps_its_weights_packed_computes_the_same(
    layout: Layout, folder: Path
) -> None:
    """On the CPU the kernels' references dequantise as they go."""
    model, packed = (
        load_model(folder, "cpu", torch.float32, packed=each) for each in (False, True)
    )
    held = sum(tensor.nbytes for tensor in packed.state_dict().values())
    everything = sum(tensor.nbytes for tensor in model.state_dict().values())
    assert (held < everything) is (layout.experts in (FP8, NVFP4))
    prompt, canvas = torch.arange(20) % writer.VOCABULARY, torch.arange(12)[None] + 7
    torch.testing.assert_close(
        packed.decode(canvas, packed.encode(prompt)), model.decode(canvas, model.encode(prompt))
    )


def test_experts_come_packed_as_they_are_stored(
    layout: Layout, folder: Path, source: dict[str, Matrix]
) -> None:
    raw = layout.write(source)
    weights = dict(read_weights(open_checkpoint(folder), CPU, torch.bfloat16))
    weight = weights["layers.1.experts.gate_up_proj"]
    assert isinstance(weight, layout.experts)
    if isinstance(weight, NVFP4):
        stem = "weight_packed" if "compressed" in layout.format else "weight"
        assert weight.data[2, : writer.INNER].numpy().tobytes() == raw[f"{GATE}.{stem}"].data
        scales = weight.scale[2, : writer.INNER].view(torch.uint8)
        assert scales.numpy().tobytes() == raw[f"{GATE}.weight_scale"].data
        assert weight.tensor_scale.shape == (writer.EXPERTS, 2)
        gate, up = weight.tensor_scale[2].tolist()
        assert up > 4 * gate
        assert weights["layers.1.experts.down_proj"].tensor_scale.shape == (writer.EXPERTS, 1)
        assert nbytes(weight) == 4 * 32 * (16 + 2) + 4 * 4 * 2
    elif isinstance(weight, FP8 | INT8):
        values = weight.data[2, : writer.INNER].view(torch.uint8)
        assert values.numpy().tobytes() == raw[f"{GATE}.weight"].data
        assert weight.scale.shape == (writer.EXPERTS, 2 * writer.INNER)
        assert nbytes(weight) == 4 * 32 * 32 + 4 * 4 * 32
    else:
        assert whole(weight, torch.float32).dtype == torch.float32
        assert nbytes(weight) == 2 * 4 * 32 * 32


def numbers(text: str) -> list[float]:
    return [float(each) for each in text.split()]


# Worked out by hand: amax 6 * 448 makes the global scale 1; the blocks' largest values 6 * 448, 6
# and 3 make their scales 448 (0x7e), 1 (0x38) and 0.5 (0x30); a block of zeros has 1.
BY_HAND = [
    ([6 * 448.0] + [0.0] * 15, 0x7E, "07 00 00 00 00 00 00 00"),
    (
        [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6, 0],
        0x38,
        "10 32 54 76 a9 cb ed 0f",
    ),
    # over 0.5: 0.25 0.5 0.75 1.25 1.75 2.5 3.5 5, each a tie but the second; then a bit more
    (
        numbers(".125 .25 .375 .625 .875 1.25 1.75 2.5 .13 -.38 .63 .88 1.26 -1.76 2.51 3"),
        0x30,
        "10 22 44 66 a1 43 e5 77",
    ),
    ([0.0] * 16, 0x38, "00 00 00 00 00 00 00 00"),
]


def test_nvfp4_packing_is_what_a_hand_computes() -> None:
    row = [value for block, _, _ in BY_HAND for value in block]
    packed, scales, scale = writer.nvfp4([row])
    assert scale == 1.0
    assert scales == bytes(code for _, code, _ in BY_HAND)
    assert packed.hex(" ") == " ".join(hexed for _, _, hexed in BY_HAND)


def test_nvfp4_bytes_mean_what_a_hand_computes() -> None:
    """From bytes alone: 0x21 is 0.5 in the even column and 1 in the odd one."""
    weight = NVFP4(
        torch.tensor([[0x21, 0x43, 0x65, 0x87, 0xA9, 0xCB, 0xED, 0xF0]], dtype=torch.uint8),
        torch.tensor([[0x40]], dtype=torch.uint8).view(torch.float8_e4m3fn),  # 2
        torch.tensor([0.25]),
    )
    half = [0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, 0, -6]
    assert whole(weight, torch.float32).tolist() == [[value / 2 for value in half]]


@pytest.mark.parametrize("code", range(0x7F))
def test_e4m3_is_what_torch_has(code: int) -> None:
    value = torch.tensor([code], dtype=torch.uint8).view(torch.float8_e4m3fn).float().item()
    assert writer.E4M3[code] == value
    assert writer.e4m3(-value) in (0x80 | code, code)


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
