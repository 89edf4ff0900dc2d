"""Every layout of one model: what is read, how near it comes, and what each damage says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.formats import nbytes, whole
from engine.checkpoints.load import load_model, read_weights
from kernels.weights import FP8, INT8, NVFP4
from tests.engine.checkpoints import writer
from tests.engine.checkpoints.layouts import GATE, Layout
from tests.engine.checkpoints.writer import Matrix

CPU = torch.device("cpu")


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
