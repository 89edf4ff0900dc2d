"""What is planned before loading: for the real model from its headers alone, and held against what
a process then takes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engine.api import OutOfMemory
from engine.checkpoints import load as loading
from engine.checkpoints import plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.files import read_json
from engine.checkpoints.formats import nbytes
from engine.checkpoints.load import load, read_weights
from engine.checkpoints.plan import Use, best_format, choose, context_bytes, needs, weight_bytes
from engine.checkpoints.survey import SHAPE
from engine.models.diffusion_gemma import Config
from tests.engine.checkpoints import writer

GB = 1_000_000_000
REAL = Config.from_json(read_json(SHAPE))
SIZES = {format: weight_bytes(REAL, format) for format in plan.BEST_FIRST}


def real_tensors() -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names, types and shapes of NVIDIA's NVFP4 checkpoint (facts: sections 2 and 3.1)."""
    wide, inner, dense = 2816, 704, 2112
    found: dict[str, tuple[str, tuple[int, ...]]] = {}

    def bf16(name: str, *shape: int) -> None:
        found["model." + name] = ("BF16", shape)

    bf16("decoder.embed_tokens.weight", 262144, wide)
    bf16("decoder.norm.weight", wide)
    bf16("decoder.self_conditioning.pre_norm.weight", wide)
    for name, shape in {"gate": (dense, wide), "up": (dense, wide), "down": (wide, dense)}.items():
        bf16(f"decoder.self_conditioning.{name}_proj.weight", *shape)
    for layer in range(30):
        at, full = f"decoder.layers.{layer}.", layer % 6 == 5
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


WALK = """
import json, resource, sys
from pathlib import Path
import torch
from engine.checkpoints import load as loading
from engine.checkpoints import plan
from engine.checkpoints.checkpoint import open_checkpoint
checkpoint = open_checkpoint(Path(sys.argv[1]))
weights = plan.loaded_bytes(checkpoint, torch.bfloat16, packed=True)
chosen = plan.choose("it", checkpoint.config, weights, 24_000_000_000)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([checkpoint.format, len(checkpoint.placed), weights, str(chosen.use), peak]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs files with holes, and getrusage")
def test_the_real_checkpoint_is_walked_and_planned_from_its_headers(tmp_path: Path) -> None:
    tensors = real_tensors()
    assert len(tensors) == 47_067
    (tmp_path / "config.json").write_text(SHAPE.read_text())
    names = list(tensors)
    placed: dict[str, str] = {}
    for shard, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = f"model-0000{shard}-of-00002.safetensors"
        writer.write_hollow(tmp_path / file, {name: tensors[name] for name in part})
        placed |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    run = subprocess.run(
        [sys.executable, "-c", WALK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    format, weights_placed, weights, use, peak = json.loads(run.stdout)
    assert (format, weights_placed) == ("nvfp4 (modelopt)", 661)
    assert weights == SIZES["nvfp4"]
    assert use == str(choose("it", REAL, weights, 24 * GB).use)
    assert peak < 1 << 30


def test_weights_are_what_the_publishers_files_hold() -> None:
    """Bytes of the published files (facts: sections 2 and 3), without vision tower and duplicates:
    51,647,562,456 and 18,818,050,776 and 27.2 GB, of which 1.1 GB are for vision."""
    assert SIZES["bf16"] == pytest.approx(51.65 * GB - 1.14 * GB, rel=0.002)
    assert SIZES["nvfp4"] == pytest.approx(18.82 * GB - 1.14 * GB, rel=0.002)
    assert SIZES["fp8"] == pytest.approx(27.2 * GB - 1.14 * GB, rel=0.01)


def test_context_is_keys_and_values_of_every_layer() -> None:
    sliding, full = 25 * 2 * 8 * 256, 5 * 2 * 2 * 512
    assert context_bytes(REAL, 1000) == 1000 * 2 * (sliding + full)


def test_a_card_gets_the_most_generous_use_that_fits() -> None:
    uses = [plan.LADDER.index(choose("it", REAL, SIZES["nvfp4"], free * GB).use)
            for free in (21, 22, 24, 32, 48)]  # fmt: skip
    assert uses == sorted(uses)
    assert uses[0] < uses[-1] == len(plan.LADDER) - 1
    for free in range(20, 40):
        try:
            chosen = choose("it", REAL, SIZES["nvfp4"], free * GB)
        except OutOfMemory:
            continue
        assert chosen.needs.total <= free * GB


@pytest.mark.parametrize(
    ("free", "format"), [(10, None), (24, "nvfp4"), (28, "nvfp4"), (48, "fp8"), (80, "bf16")]
)
def test_the_format_for_a_card(free: int, format: str | None) -> None:
    found = best_format(REAL, free * GB, SIZES)
    assert (found and found[0]) == format


@pytest.mark.parametrize(
    ("free", "format", "words"),
    [
        (12, "nvfp4", ("12.0 GB are free", "weights 17.7 GB", "the embedded model")),
        (24, "bf16", ("weights 50.5 GB", "in nvfp4 would fit")),
        (40, "bf16", ("the same model in fp8 would fit",)),
    ],
)
def test_a_card_too_small_is_told_what_would_fit(
    free: int, format: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(OutOfMemory) as caught:
        choose("diffusiongemma", REAL, SIZES[format], free * GB)
    for each in words:
        assert each in str(caught.value)


def test_a_card_too_small_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write_model(tmp_path / "tiny", writer.modelopt_nvfp4(writer.weights()))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (500_000_000, 500_000_000))
    monkeypatch.setattr(loading, "read_weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(OutOfMemory, match=r"tiny needs at least .* and 0\.5 GB are free"):
        load(tmp_path / "tiny", "cuda", torch.bfloat16)


@pytest.mark.parametrize(
    "write", [writer.google_bf16, writer.compressed_tensors_fp8, writer.modelopt_nvfp4]
)
def test_what_is_loaded_takes_what_was_planned(write: object, tmp_path: Path) -> None:
    writer.write_model(tmp_path, write(writer.weights()))  # type: ignore[operator]
    checkpoint = open_checkpoint(tmp_path)
    cpu, dtype = torch.device("cpu"), torch.bfloat16
    packed = sum(nbytes(weight) for _, weight in read_weights(checkpoint, cpu, dtype))
    planned = plan.loaded_bytes(checkpoint, dtype, packed=True)
    assert planned == pytest.approx(packed, rel=0.03)  # a scale may be stored in other types
    model = load(tmp_path, "cpu", torch.float32)
    held = sum(tensor.nbytes for tensor in model.state_dict().values())
    assert held == plan.loaded_bytes(checkpoint, torch.float32, packed=False)
    if write is writer.google_bf16:
        assert planned == weight_bytes(checkpoint.config, "bf16")


MEASURE = """
import gc, json, re, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from engine.canvas import Canvas, Hole, Layout
from engine.checkpoints import load as loading
from engine.checkpoints import plan
from engine.checkpoints.load import load
from engine.denoise import Denoising, denoise
from engine.sampler import Seeded

def status(key):
    return int(re.search(rf"{key}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

def fill(model, use, steps):
    size = model.config.vocab_size
    layout = Layout((0,) * use.canvas, (Hole(0, use.open),))
    canvas = Canvas.of([layout] * use.candidates, model.device)
    settings = Denoising(steps, 0.8, 0.4, 0.1, 1e-9, 1, True, False, True)
    cache = model.encode(torch.zeros(use.context, dtype=torch.long))
    banned = torch.zeros(size, dtype=torch.bool)
    denoise(model, cache, canvas, settings, Seeded(size, model.device), banned)
    return cache

folder = Path(sys.argv[1])
small, use = plan.Use(8, 1, 8, 2, 0), plan.Use(*json.loads(sys.argv[2]))
warm = load(folder, "cpu", torch.float32)
with torch.no_grad():
    fill(warm, small, 2)
del warm
gc.collect()
before = status("VmRSS")
model = load(folder, "cpu", torch.float32)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
with torch.no_grad():
    fill(model, use, 3)
weights = sum(tensor.nbytes for tensor in model.state_dict().values())
planned = plan.needs(model.config, weights, use, "cpu", 4)
print(json.dumps([status("VmHWM") - before, planned.total]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self")
def test_what_a_fill_takes_is_what_was_planned(tmp_path: Path) -> None:
    """On the CPU in float32, with a vocabulary that makes logits the largest part, as they are in
    the real model; the weights are read into memory."""
    vocabulary, wide = 60_000, 64
    text = {**writer.CONFIG["text_config"], "vocab_size": vocabulary, "hidden_size": wide}
    config = {**writer.CONFIG, "text_config": text, "canvas_length": 32}
    with torch.device("meta"):
        from engine.models.diffusion_gemma import DiffusionGemma

        shapes = DiffusionGemma(Config.from_json(config))
    state = {**dict(shapes.named_parameters()), **dict(shapes.named_buffers())}
    (tmp_path / "config.json").write_text(json.dumps(config))
    tensors = {
        f"model.decoder.{name}": writer.Raw(
            "BF16", tuple(tensor.shape), b"\x0c\x3d" * math.prod(tensor.shape)
        )
        for name, tensor in state.items()
    }
    writer.write_file(tmp_path / "model.safetensors", tensors)
    use = Use(context=64, candidates=4, canvas=32, open=24, ranked=0)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), json.dumps([64, 4, 32, 24, 0])],
        capture_output=True,
        text=True,
        # What is freed goes back at once, so that the peak is what was held and not what was kept.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"},
    )
    assert run.returncode == 0, run.stderr
    measured, planned = json.loads(run.stdout)
    assert planned > 100_000_000
    assert measured == pytest.approx(planned, rel=0.03)
    assert needs(REAL, 0, replace(use, candidates=8)).workspace > 0
