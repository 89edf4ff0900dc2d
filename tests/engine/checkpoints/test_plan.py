"""What is planned before loading: for the real model from its headers alone, and held against what
a process then takes."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.api import FillRequest, ModelMissing, OutOfMemory
from engine.checkpoints import load as loading
from engine.checkpoints import plan
from engine.checkpoints import suited as suiting
from engine.checkpoints import survey as surveying
from engine.checkpoints.catalog import CATALOG, EMBEDDED, EMBEDDED_FOLDER, FAMILY
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.files import read_json
from engine.checkpoints.formats import nbytes
from engine.checkpoints.load import load_model, read_weights
from engine.checkpoints.plan import Use, best_format, choose, weight_bytes
from engine.checkpoints.profile import INSTRUCT, UNTRAINED_FOR_GAPS, Profile, read_profile
from engine.checkpoints.survey import SHAPE
from engine.fill import beam, lookup
from engine.fill.load import load_engine
from engine.models.diffusion_gemma import Config, DiffusionGemma
from engine.training.export import write_profile
from tests.engine.checkpoints import published, writer
from tests.engine.checkpoints.measuring import FILL, WALK, run

GB = 1_000_000_000
REAL = Config.from_json(read_json(SHAPE))
SIZES = {format: weight_bytes(REAL, format) for format in plan.BEST_FIRST}


@pytest.mark.skipif(sys.platform == "win32", reason="needs files with holes, and getrusage")
def test_the_real_checkpoint_is_walked_and_planned_from_its_headers(tmp_path: Path) -> None:
    published.write(tmp_path)
    found = run(WALK, tmp_path)
    assert (found["format"], found["placed"]) == ("nvfp4 (modelopt)", 661)
    assert found["weights"] == SIZES["nvfp4"]
    assert found["use"] == str(choose("it", REAL, found["weights"], 24 * GB, INSTRUCT).use)
    assert found["peak"] < 1 << 30


def test_the_published_names_are_all_there() -> None:
    assert len(published.tensors()) == 47_067


def test_weights_are_what_the_publishers_files_hold() -> None:
    """Bytes of the published files (facts: sections 2 and 3), without vision tower and duplicates:
    51,647,562,456 and 18,818,050,776 and 27.2 GB, of which 1.1 GB are for vision."""
    assert SIZES["bf16"] == pytest.approx(51.65 * GB - 1.14 * GB, rel=0.002)
    assert SIZES["nvfp4"] == pytest.approx(18.82 * GB - 1.14 * GB, rel=0.002)
    assert SIZES["fp8"] == pytest.approx(27.2 * GB - 1.14 * GB, rel=0.01)


def test_context_is_keys_and_values_of_every_layer() -> None:
    sliding, full = 25 * 2 * 8 * 256, 5 * 2 * 2 * 512
    assert REAL.context_bytes(1000, 2) == 1000 * 2 * (sliding + full)


def test_a_card_gets_the_most_generous_use_that_fits() -> None:
    rungs = [
        choose("it", REAL, SIZES["nvfp4"], free * GB, INSTRUCT).rung
        for free in (21, 22, 24, 32, 48)
    ]
    assert rungs == sorted(rungs)
    assert rungs[0] < rungs[-1] == len(plan.LADDER) - 1
    for free in range(20, 40):
        try:
            chosen = choose("it", REAL, SIZES["nvfp4"], free * GB, INSTRUCT)
        except OutOfMemory:
            continue
        assert chosen.needs.total <= free * GB


@pytest.mark.parametrize(
    ("free", "format"), [(10, None), (24, "nvfp4"), (28, "nvfp4"), (48, "fp8"), (80, "bf16")]
)
def test_the_format_for_a_card(free: int, format: str | None) -> None:
    found = best_format(REAL, free * GB, SIZES, dict.fromkeys(SIZES, INSTRUCT))
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
        choose("diffusiongemma", REAL, SIZES[format], free * GB, INSTRUCT)
    for each in words:
        assert each in str(caught.value)


def test_a_card_too_small_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.write_model(tmp_path / "tiny", writer.modelopt_nvfp4(writer.weights()))
    monkeypatch.setattr(plan, "free_bytes", lambda _: 400_000_000)
    monkeypatch.setattr(loading, "read_weights", lambda *_: pytest.fail("weights were read"))
    with pytest.raises(OutOfMemory, match=r"tiny needs at least .* and 0\.4 GB are free"):
        load_model(tmp_path / "tiny", "cuda", torch.bfloat16)


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
    model = load_model(tmp_path, "cpu", torch.float32)
    held = sum(tensor.nbytes for tensor in model.state_dict().values())
    assert held == plan.loaded_bytes(checkpoint, torch.float32, packed=False)
    if write is writer.google_bf16:
        assert planned == weight_bytes(checkpoint.config, "bf16")


VARIED = {"line_tokens": (4, 8, 16), "block_tokens": (16, 32, 48), "width": 128,
          "prompt_tokens": 512, "noise": None, "slack": None, "pad": 0}  # fmt: skip


def mid_size(folder: Path) -> str:
    """A random model of 60 MB with a vocabulary that makes logits the largest part, as they are in
    the real one; its profile heals seams, draws tokens and tries three lengths."""
    text = {
        **writer.CONFIG["text_config"], "vocab_size": 32768, "hidden_size": 256,
        "intermediate_size": 512, "moe_intermediate_size": 256, "num_experts": 32,
        "top_k_experts": 4, "sliding_window": 256, "max_position_embeddings": 4096,
    }  # fmt: skip
    config = {**writer.CONFIG, "text_config": text, "canvas_length": 128}
    with torch.device("meta"):
        shapes = DiffusionGemma(Config.from_json(config))
    state = {**dict(shapes.named_parameters()), **dict(shapes.named_buffers())}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {
        f"model.decoder.{name}": writer.Raw(
            "BF16", tuple(tensor.shape), b"\x0c\x3d" * math.prod(tensor.shape)
        )
        for name, tensor in state.items()
    }
    writer.write_file(folder / "model.safetensors", tensors)
    (folder / "tokenizer.json").write_bytes((EMBEDDED_FOLDER / "tokenizer.json").read_bytes())
    write_profile(UNTRAINED_FOR_GAPS.but(**VARIED), folder)
    return str(folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self")
@pytest.mark.parametrize(
    ("name", "candidates", "least"),
    [("embedded", "few", 15e6), ("embedded", "many", 25e6), ("mid-size", "few", 200e6)],
)
def test_what_a_fill_takes_is_what_was_planned(
    name: str, candidates: str, least: float, tmp_path: Path
) -> None:
    """A block behind a full prompt, in the engine as it is loaded for use."""
    model = name if name == EMBEDDED else mid_size(tmp_path / "model")
    found = run(FILL, model, candidates)
    assert found["planned"] > least
    rounding = 2e6  # of an allocator, which a model of 20 MB feels
    assert found["measured"] == pytest.approx(found["planned"], rel=0.03, abs=rounding)


def test_what_may_be_ranked_is_what_the_fill_may_come_up_with() -> None:
    assert (plan.LINE, plan.BLOCKS, plan.BLOCK) == (beam.LONGEST, beam.CHAINS, beam.LONGEST_BLOCK)
    assert (plan.BLOCK_LINES, plan.LOOKED_UP) == (beam.MOST_LINES, lookup.MOST)


def test_the_engine_is_cut_down_to_the_memory_that_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = mid_size(tmp_path / "model")
    whole = read_profile(Path(model))
    checkpoint, cpu = open_checkpoint(Path(model)), torch.device("cpu")
    plans = []
    for free in (10_000_000_000, 250_000_000, 150_000_000):
        monkeypatch.setattr(plan, "free_bytes", lambda _, free=free: free)
        plans.append(plan.fit("it", checkpoint, whole, cpu, torch.bfloat16))
        assert plans[-1].needs.total <= free
        engine = load_engine(model, "cpu")
        assert engine.profile == plans[-1].profile
        assert engine._prefixes._budget == plans[-1].use.context
    assert plans[0].profile == whole
    assert [each.rung for each in plans] == sorted({each.rung for each in plans}, reverse=True)
    assert len(plans[-1].profile.canvas.block_tokens) < len(whole.canvas.block_tokens)
    assert engine.fill(FillRequest(("a = ", "\n"), steps=1)).steps == 1
    monkeypatch.setattr(plan, "free_bytes", lambda _: 50_000_000)
    with pytest.raises(OutOfMemory, match=r"needs at least .* 50 MB are free"):
        load_engine(model, "cpu")


@pytest.mark.parametrize("most", plan.LADDER)
@pytest.mark.parametrize("profile", [INSTRUCT, UNTRAINED_FOR_GAPS], ids=lambda each: each.name)
def test_a_profile_that_is_cut_down_is_one_still(profile: Profile, most: Use) -> None:
    whole = plan.limited(profile, most)
    cut = whole.canvas
    assert cut.width <= most.canvas
    assert cut.prompt_tokens <= most.context
    assert max(*cut.line_tokens, *cut.block_tokens) <= most.open
    assert cut.head_tokens + cut.tail_tokens + max(cut.line_tokens) <= cut.width
    assert plan.limited(whole, most) == whole


@pytest.mark.parametrize("profile", [INSTRUCT, UNTRAINED_FOR_GAPS], ids=lambda each: each.name)
def test_a_model_is_planned_by_its_own_profile(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is planned: on its way to a card, and in the list of what would run on one."""
    model = Path(mid_size(tmp_path / f"{FAMILY}-bf16"))
    write_profile(profile, model)
    planned: list[Profile] = []

    def remember(*arguments: Any, **_: Any) -> Any:
        planned.extend(each for each in arguments if isinstance(each, Profile))
        raise OutOfMemory("too small")

    monkeypatch.setattr(plan, "choose", remember)
    monkeypatch.setattr(plan, "free_bytes", lambda _: GB)
    with pytest.raises(OutOfMemory):
        load_model(model, "cuda", torch.bfloat16)
    (model / "pulled.json").write_text('{"files": {}}')
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path))
    (entry,) = (each for each in CATALOG if each.name == model.name)
    surveying._as_pulled(entry, torch.device("cuda"))
    monkeypatch.setattr(suiting, "free_bytes", lambda _: GB)
    suiting.suited(FAMILY, torch.device("cuda"))
    assert len(planned) >= 3
    assert all(each == profile for each in planned)


@pytest.mark.parametrize(
    ("free", "here", "expected"),
    [
        (24, ("nvfp4", "bf16"), "nvfp4"),
        (80, ("nvfp4", "bf16"), "bf16"),
        (80, ("nvfp4",), "nvfp4"),
        (4, ("fp8", "bf16"), "fp8"),
    ],
)
def test_the_family_is_the_format_that_suits_the_card(
    free: int,
    here: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path))
    monkeypatch.setattr(suiting, "free_bytes", lambda _: free * GB)
    card = torch.device("cuda")
    with pytest.raises(ModelMissing, match="run `infill-ls pull diffusiongemma`"):
        suiting.suited(FAMILY, card)
    for format in here:
        (tmp_path / f"{FAMILY}-{format}").mkdir()
        (tmp_path / f"{FAMILY}-{format}" / "pulled.json").write_text('{"files": {}}')
    assert suiting.suited(FAMILY, card) == f"{FAMILY}-{expected}"
    assert suiting.suited("embedded", card) == "embedded"
