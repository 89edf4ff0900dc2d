"""Models that `transformers` runs behind the family's protocol: what no family of ours knows, and
the same as ours where one does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from engine.api import FillRequest, ModelMissing, Shape
from engine.checkpoints import catalog, plan
from engine.checkpoints.checkpoint import open_checkpoint
from engine.checkpoints.derived import profile_of
from engine.checkpoints.load import load_model, load_weights
from engine.fill.load import load_engine
from engine.models.family import Look, Model
from engine.models.through_transformers import library
from tests.engine.checkpoints.released import BY_NAME as RELEASES
from tests.engine.checkpoints.released import WORD, files
from tests.engine.models.backbones import BY_NAME, MASK, SHAPE, canvas_logits, infill, reference
from tests.engine.models.backbones import save as save_as_ours

CPU = torch.device("cpu")
WAYS = {
    "causal prefix": infill("causal_prefix"),
    "bidirectional": infill("bidirectional"),
    "bidirectional, shifted": infill("bidirectional", shift=True),
}


def through(folder: Path, runtime: str | None = "transformers") -> Model[Any]:
    return load_weights(open_checkpoint(folder, runtime), CPU, torch.float32)


def looked(model: Model[Any], prompt: Tensor, canvas: Tensor) -> Tensor:
    at = torch.arange(canvas.shape[1]).expand(len(canvas), -1)
    (found,) = model.look([Look(canvas, model.encode(prompt), at)])
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["llama", "qwen2, its own head", "qwen3, a bias, its own head"])
def test_it_computes_what_the_family_of_ours_does(name: str, way: str, tmp_path: Path) -> None:
    folder = save_as_ours(reference(BY_NAME[name]), tmp_path, WAYS[way])
    prompt, canvas = torch.arange(20), torch.arange(30, 66).view(3, 12)
    with torch.no_grad():
        ours, theirs = (
            looked(model, prompt, canvas) for model in (load_model(folder), through(folder))
        )
    torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_there_of_a_canvas_is_not_seen(way: str, tmp_path: Path) -> None:
    folder = save_as_ours(reference(BY_NAME["qwen2"]), tmp_path, WAYS[way])
    canvas, at = torch.arange(30, 66).view(3, 12), torch.tensor([[1, 4], [0, 6], [2, 4]])
    found = []
    for model in (load_model(folder), through(folder)):
        context = model.encode(torch.arange(20))
        with torch.no_grad():
            (logits,) = model.look([Look(canvas, context, at, lengths=(5, 12, 5))])
        found.append(logits)
    torch.testing.assert_close(found[1], found[0], atol=1e-4, rtol=0)


@dataclass(frozen=True, slots=True)
class Other:
    """A model that no family of ours knows: its class, and what changes in its shape."""

    kind: str
    config: type
    model: type
    shape: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.kind


OTHERS = [
    Other("mistral", transformers.MistralConfig, transformers.MistralForCausalLM),
    Other("gemma2", transformers.Gemma2Config, transformers.Gemma2ForCausalLM, {"head_dim": 8}),
    Other("olmo2", transformers.Olmo2Config, transformers.Olmo2ForCausalLM),
    Other("granite", transformers.GraniteConfig, transformers.GraniteForCausalLM),
    Other(
        "gpt2",
        transformers.GPT2Config,
        transformers.GPT2LMHeadModel,
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512},
    ),
]


def random_other(other: Other, folder: Path, **more: Any) -> Any:
    torch.manual_seed(0)
    config = other.config(**{**SHAPE, **other.shape})
    model = other.model._from_config(config, attn_implementation="eager").eval()
    model.save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **more}), "utf-8")
    return model


@pytest.mark.parametrize("way", ["bidirectional", "bidirectional, shifted"])
@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_what_no_family_of_ours_knows_is_run_by_it(other: Other, way: str, tmp_path: Path) -> None:
    model = random_other(other, tmp_path, infill=WAYS[way])
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config.masked is not None
    assert checkpoint.config.masked.mask == MASK
    prompt, canvas = torch.arange(20), torch.arange(30, 54).view(2, 12)
    found = looked(through(tmp_path, None), prompt, canvas)
    expected = canvas_logits(model, prompt, canvas, WAYS[way])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_an_a2d_of_any_backbone(tmp_path: Path) -> None:
    model = random_other(
        OTHERS[0],
        tmp_path,
        model_type="a2d-mistral",
        architectures=["A2DMistralLMHeadModel"],
        auto_map={"AutoModel": "modeling_a2d.A2DMistral"},
    )
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<|mask|>": 90}), "utf-8")
    (tmp_path / "modeling_a2d.py").write_text("raise SystemExit('code of a model was run')\n")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.config.masked is not None
    assert (checkpoint.config.masked.mask, checkpoint.config.masked.shift) == (90, False)
    prompt, canvas = torch.arange(20), torch.arange(30, 54).view(2, 12)
    expected = canvas_logits(model, prompt, canvas, WAYS["bidirectional"])
    found = looked(through(tmp_path, None), prompt, canvas)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_a_block_diffusion_model_is_what_ours_is(oracle: Callable[[str], Any]) -> None:
    """The first look, and the next that is told what the first believed."""
    made = oracle("settling")
    ours, theirs = made.ours(), through(made.folder)
    prompt, canvas = torch.arange(10, 30), torch.arange(30, 54).view(2, 12)
    at = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 7]])
    real = torch.tensor([[True] * 4, [True, True, True, False]])
    looks = {}
    for name, model in {"ours": ours, "theirs": theirs}.items():
        context, memory = model.encode(prompt), {}
        with torch.no_grad():
            (first,) = model.look([Look(canvas, context, at, memory=memory)])
            signal = model.signal(first.clone(), canvas, at, real)
            (second,) = model.look([Look(canvas, context, at, signal, 2, memory=memory)])
            (left,) = model.look([Look(canvas[:1], context, at[:1], memory=memory)])
        looks[name] = (first, second, left)
    for one, other in zip(looks["ours"], looks["theirs"], strict=True):
        torch.testing.assert_close(other, one, atol=1e-3, rtol=0)
    assert not torch.allclose(looks["ours"][0], looks["ours"][1])


@pytest.mark.parametrize("name", ["open-dcoder-0.5b", "dreamon-7b", "tiny-a2d-0.5b"])
def test_a_release_is_asked_by_way_of_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFILL_MODELS", str(tmp_path))
    folder = tmp_path / name
    folder.mkdir()
    for each, content in files(RELEASES[name]).items():
        (folder / each).write_bytes(content)
    request = FillRequest(("def f(a):\n    return", "\n"), "python", shape=Shape.LINE)
    engines = [load_engine(f"{way}{folder}", "cpu") for way in ("", "transformers:")]
    assert engines[1].info.model == f"transformers:{folder}"
    assert type(engines[1].model) is not type(engines[0].model)
    ours, theirs = (engine.fill(request) for engine in engines)
    assert theirs.texts == ours.texts
    assert WORD in theirs.texts[0]
    checkpoint = open_checkpoint(folder, "transformers")
    profile = profile_of(folder, checkpoint.config, "cpu")
    fitting = plan.fit(name, checkpoint, profile, CPU, torch.float32)
    assert fitting.needs.weights == pytest.approx(open_checkpoint(folder).nbytes, rel=0.01)
    assert catalog.folder_of(f"transformers:{folder}") == folder


def test_one_that_sees_nothing_ahead_is_refused(tmp_path: Path) -> None:
    mamba = Other("mamba", transformers.MambaConfig, transformers.MambaForCausalLM)
    random_other(mamba, tmp_path, infill=WAYS["bidirectional"])
    with pytest.raises(ModelMissing, match="does not see what follows the gap"):
        through(tmp_path, None)


REFUSED = [
    ("a model it has not", {"model_type": "no-such"}, "has no no-such model"),
    (
        "a class it has not",
        {"model_type": "mistral", "architectures": ["NewForBlockDiffusion"]},
        "describes a mistral model; choose a folder",
    ),
    ("no mask", {"infill": {"attention": "bidirectional"}}, "'mask_token_id' is missing"),
    ("weights of another shape", {"intermediate_size": 99}, "cannot load it"),
]


@pytest.mark.parametrize(
    ("changes", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_it_cannot_run_is_told(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    random_other(OTHERS[0], tmp_path, **{"infill": WAYS["bidirectional"], **changes})
    with pytest.raises(ModelMissing, match=says):
        through(tmp_path, None)


def test_without_the_library_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_other(OTHERS[0], tmp_path, infill=WAYS["bidirectional"])
    monkeypatch.setattr(library, "find_spec", lambda _: None)
    with pytest.raises(ModelMissing, match=r"not installed; `.* transformers`"):
        open_checkpoint(tmp_path)
