"""What ships: one folder that the engine and `transformers` read alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DiffusionGemmaForBlockDiffusion

from engine.api import FillRequest
from engine.checkpoints.catalog import folder_of
from engine.checkpoints.load import load_model
from engine.checkpoints.profile import FEATURES, read_profile
from engine.fill.load import load_engine
from engine.training.export import (
    Kind,
    default_profile,
    dequantise,
    export,
    training_record,
    write_profile,
)

PROMPT = torch.randint(20, 4000, (1, 50), generator=torch.Generator().manual_seed(0))
CANVAS = torch.randint(20, 4000, (1, 32), generator=torch.Generator().manual_seed(1))
LOG = [  # stopped after step 1 without saving it, resumed
    {"step": 0, "causal": 9.0, "seconds": 1.0},
    {"step": 1, "causal": 8.0, "slot": 9.5, "seconds": 3.0},
    {"step": 1, "causal": 7.0, "slot": 9.0, "seconds": 2.0},
    {"step": 2, "causal": 6.0, "slot": 8.0, "seconds": 4.5},
]


@pytest.fixture(scope="module")
def exported(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """A folder exported from a training state whose layers' scalars are not all ones."""
    work = tmp_path_factory.mktemp("work")
    state = {f"model.{name}": tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    for name, tensor in state.items():
        if name.endswith("layer_scalar"):
            tensor.fill_(0.5 + 0.25 * int(name.split(".")[2]))
    state["optimiser.momentum.x"] = torch.zeros(3)
    save_file(state, work / "state.safetensors")
    (work / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in LOG))
    built: dict[Kind, Path] = {}

    def get(kind: Kind) -> Path:
        if kind not in built:
            built[kind] = tmp_path_factory.mktemp("model")
            export(tiny.settings, work, built[kind], kind, "a loom")
        return built[kind]

    return get


@torch.no_grad()
@pytest.mark.parametrize("model", ["float32", "int8", "embedded"])
def test_transformers_reads_it_with_equal_logits(
    model: str, exported: Callable[[Kind], Path], tmp_path: Path
) -> None:
    """Int8 once it is dequantised, and so what ships."""
    stored = folder_of(model) if model == "embedded" else exported(cast(Kind, model))
    folder = tmp_path / "floats" if model != "float32" else stored
    if folder != stored:
        dequantise(stored, folder, torch.float32)
    reference = DiffusionGemmaForBlockDiffusion.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    loaded = {
        **dict(reference.model.encoder.language_model.named_parameters()),
        **dict(reference.model.encoder.language_model.named_buffers()),
        **dict(reference.model.decoder.named_parameters()),
        **dict(reference.model.decoder.named_buffers()),
    }
    assert all(tensor.isfinite().all() for tensor in loaded.values() if tensor.is_floating_point())
    ours = load_model(stored, "cpu", torch.float32)
    for stack in (reference.model.encoder.language_model, reference.model.decoder):
        for mine, theirs in zip(ours.layers, stack.layers, strict=True):
            assert torch.equal(mine.layer_scalar, theirs.layer_scalar)
    cache = ours.encode(PROMPT)
    theirs = reference(input_ids=PROMPT, decoder_input_ids=CANVAS).logits
    torch.testing.assert_close(ours.decode(CANVAS, cache), theirs, atol=1e-4, rtol=0)
    signal = theirs * 0.5
    again = reference(
        input_ids=PROMPT, decoder_input_ids=CANVAS, self_conditioning_logits=signal
    ).logits
    torch.testing.assert_close(ours.decode(CANVAS, cache, signal), again, atol=1e-4, rtol=0)
    assert (theirs - again).abs().max() > 1e-3


def test_the_engine_fills_with_it(exported: Callable[[Kind], Path], tiny: Any) -> None:
    engine = load_engine(str(exported("int8")), "cpu")
    assert engine.profile == default_profile(tiny.settings)
    fill = engine.fill(FillRequest(("def f(x):\n    return ", "\n"), max_tokens=8))
    assert len(fill.texts) == 1


def test_half_the_bytes_in_half_the_bits(exported: Callable[[Kind], Path]) -> None:
    kinds: tuple[Kind, ...] = ("float32", "bfloat16", "int8")
    sizes = [(exported(kind) / "model.safetensors").stat().st_size for kind in kinds]
    assert sizes[0] / sizes[1] == pytest.approx(2.0, abs=0.1)
    assert sizes[1] / sizes[2] == pytest.approx(2.0, abs=0.2)
    tensors = load_file(exported("bfloat16") / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    assert not any(name.startswith("optimiser") for name in tensors)


def test_int8_is_within_half_a_step_of_what_was_trained(exported: Callable[[Kind], Path]) -> None:
    whole, rounded = (
        load_model(exported(kind), "cpu", torch.float32).state_dict()
        for kind in ("float32", "int8")
    )
    for name, matrix in whole.items():
        if matrix.ndim < 2 or ".router." in name:
            assert torch.equal(rounded[name], matrix.bfloat16().float()), name
            continue
        # The scale has eight bits of its own, and may be a little less than the row's share.
        step = matrix.abs().amax(dim=-1, keepdim=True) / 127
        assert ((rounded[name] - matrix).abs() <= step).all(), name
        assert (rounded[name] - matrix).abs().max() > 0, name


def test_a_reader_that_knows_no_int8_is_told(exported: Callable[[Kind], Path]) -> None:
    config = json.loads((exported("int8") / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "compressed-tensors"
    assert "quantization_config" not in json.loads(
        (exported("float32") / "config.json").read_text()
    )


def test_the_record_of_training(exported: Callable[[Kind], Path], tiny: Any) -> None:
    record = json.loads((exported("float32") / "training.json").read_text())
    data, schedule = tiny.settings.data, tiny.settings.schedule
    assert record["hardware"] == "a loom"
    assert record["steps"] == 3  # a step that was made twice is one
    assert record["chunk_tokens"] == (schedule.causal_chunks + 2 * data.chunks) * data.chunk_tokens
    assert record["canvases"] == 2 * data.chunks * data.canvases
    assert record["causal_loss"] == pytest.approx((9 + 7 + 6) / 3, abs=1e-3)
    assert record["seconds"] == round(3.0 + 4.5)
    assert record["slot_loss"] == pytest.approx((9 + 8) / 2, abs=1e-3)
    parameters = sum(tensor.numel() for tensor in tiny.model.state_dict().values())
    assert record["parameters"] == parameters


def test_what_was_tuned_is_kept_and_what_was_fitted_is_not(tiny: Any, tmp_path: Path) -> None:
    work, folder = tmp_path / "work", tmp_path / "model"
    work.mkdir()
    save_file(
        {f"model.{n}": t for n, t in tiny.model.state_dict().items()}, work / "state.safetensors"
    )
    (work / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in LOG))
    export(tiny.settings, work, folder, "bfloat16", "")
    weights = {name: float(n) for n, name in enumerate(FEATURES)}
    fresh = default_profile(tiny.settings)
    tuned = fresh.but(steps=3, line_tokens=(7,))
    write_profile(tuned.but(head_tokens=9, weights=weights, calibration=weights), folder)
    export(tiny.settings, work, folder, "bfloat16", "")
    assert read_profile(folder) == tuned


def test_languages_are_those_of_all_steps(tiny: Any, tmp_path: Path) -> None:
    """A training that went on with another mixture has read some of both."""
    log = tmp_path / "log.jsonl"
    entries: list[dict[str, Any]] = [
        {"step": step, "causal": 1.0, "seconds": 1.0 + step} for step in range(4)
    ]
    entries[0]["languages"], entries[1]["languages"] = {"python": 7}, {"python": 1, "go": 1}
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    record = training_record(tiny.settings, log)
    assert record["languages"] == {"python": 62.5, "go": 37.5}
