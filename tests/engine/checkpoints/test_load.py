"""Folders in Hugging Face layout: what loads, and what each broken folder says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import DiffusionGemmaConfig

from engine.api import ModelMissing
from engine.checkpoints.checkpoint import read_config
from engine.checkpoints.load import load_model
from engine.models.diffusion_gemma.config import DEFAULTS, Config, Rope
from tests.engine.conftest import TEXT, VISION

WEIGHTS = "model.safetensors"
NORM = "model.decoder.layers.1.input_layernorm.weight"


@pytest.fixture
def folder(oracle: Callable[[str], Any], tmp_path: Path) -> Path:
    """A copy of a good folder, to break."""
    return shutil.copytree(oracle("routed").folder, tmp_path / "model")


# What a good folder may look like: (name, how it is written).
LAYOUTS: list[tuple[str, Callable[[Any, Path], None]]] = [
    ("as transformers saves it", lambda model, folder: model.save_pretrained(folder)),
    (
        "in several shards",
        lambda model, folder: model.save_pretrained(folder, max_shard_size="40KB"),
    ),
    ("with all of the encoder's duplicates", lambda model, folder: write(model, folder)),
    (
        "with none of them",
        lambda model, folder: write(model, folder, lambda name: not name.startswith("model.enc")),
    ),
]


def write(model: Any, folder: Path, keep: Callable[[str], bool] = lambda name: True) -> None:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items() if keep(name)}
    assert "model.decoder.norm.weight" in state
    save_file(state, folder / WEIGHTS)
    model.config.save_pretrained(folder)


@pytest.mark.parametrize(("name", "save"), LAYOUTS, ids=[name for name, _ in LAYOUTS])
@torch.no_grad()
def test_loads(
    name: str,
    save: Callable[[Any, Path], None],
    oracle: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    save(oracle("routed").reference, tmp_path)
    if name == "in several shards":
        assert len(list(tmp_path.glob("*.safetensors"))) > 2
    loaded = load_model(tmp_path, "cpu", torch.float32).state_dict()
    expected = oracle("routed").reference.model.decoder.state_dict()
    assert loaded.keys() == expected.keys()
    for tensor_name, tensor in loaded.items():
        assert torch.equal(tensor, expected[tensor_name]), tensor_name


def test_both_spellings_of_the_full_layers_shape_mean_the_same(folder: Path) -> None:
    """The released checkpoint has `global_head_dim`; transformers now writes `per_layer_config`."""
    document = json.loads((folder / "config.json").read_text())
    before = read_config(folder)
    assert (before.global_head_dim, before.num_global_key_value_heads) == (32, 1)
    del document["text_config"]["per_layer_config"]
    document["text_config"] |= {"global_head_dim": 32, "num_global_key_value_heads": 1}
    (folder / "config.json").write_text(json.dumps(document))
    assert read_config(folder) == before


# Every key that `config.json` may lack, beside those that only the tests' tiny models have.
MAY_LACK = [*DEFAULTS, "layer_types", "rope_parameters", "canvas_length", "tie_word_embeddings"]


@pytest.mark.parametrize("key", MAY_LACK)
def test_a_key_that_was_left_out_has_its_default(key: str, tmp_path: Path) -> None:
    """Both where transformers writes a model of the default, and where the key is not there."""
    given = {k: v for k, v in TEXT.items() if k != key}
    if key == "layer_types":
        given["num_hidden_layers"] = 13
    elif key == "num_hidden_layers":
        del given["layer_types"]
    canvas = {} if key == "canvas_length" else {"canvas_length": 12}
    theirs = DiffusionGemmaConfig(text_config=given, vision_config=VISION, **canvas)
    theirs.save_pretrained(tmp_path)
    expected = as_ours(theirs)
    assert read_config(tmp_path) == expected
    document = json.loads((tmp_path / "config.json").read_text())
    document.pop(key, None)
    document["text_config"].pop(key, None)
    (tmp_path / "config.json").write_text(json.dumps(document))
    assert read_config(tmp_path) == expected


def as_ours(theirs: Any) -> Config:
    """What transformers has understood, in our words."""
    text = theirs.text_config
    kinds = ("sliding_attention", "full_attention")
    sliding, full = (text.per_layer_config[text.layer_types.index(kind)] for kind in kinds)
    theirs_too = {field.name for field in fields(Config) if hasattr(sliding, field.name)}
    sizes = {name: getattr(sliding, name) for name in theirs_too - {"layer_types"}}
    return Config(
        **sizes,
        num_global_key_value_heads=full.num_key_value_heads,
        global_head_dim=full.head_dim,
        layer_types=tuple(text.layer_types),
        rope={
            kind: Rope(rope["rope_theta"], rope.get("partial_rotary_factor", 1.0))
            for kind, rope in text.rope_parameters.items()
        },
        canvas_length=theirs.canvas_length,
    )


@dataclass(frozen=True, slots=True)
class Broken:
    """What is done to a good folder; the message names the `cause` and the `mend`."""

    name: str
    do: Callable[[Path], object]
    cause: tuple[str, ...]
    mend: str = "fetch the model again"


def config(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Change config.json."""

    def do(folder: Path) -> None:
        path = folder / "config.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return do


def text(**values: Any) -> Callable[[Path], object]:
    """Set values of `text_config`."""
    return config(lambda document: document["text_config"].update(values))


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    """Change the stored tensors."""

    def do(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        change(state)
        (folder / WEIGHTS).unlink()
        save_file(state, folder / WEIGHTS)

    return do


def truncate(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])


def lose_a_shard(folder: Path) -> None:
    state = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    save_file({NORM: state.pop(NORM)}, folder / "model-00002-of-00002.safetensors")
    save_file(state, folder / "model-00001-of-00002.safetensors")
    (folder / "model-00002-of-00002.safetensors").unlink()


# The released model has experts; `transformers` has no default for their sizes.
TEXT_KEYS = ["num_experts", "top_k_experts", "moe_intermediate_size"]

YARN = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
    "full_attention": {"rope_type": "yarn", "rope_theta": 100.0},
}

BROKEN = [
    Broken("no folder", shutil.rmtree, ("config.json", "No such file"), "choose a model's folder"),
    Broken(
        "no config.json",
        lambda folder: (folder / "config.json").unlink(),
        ("config.json", "No such file"),
        "choose a model's folder",
    ),
    Broken(
        "config.json is not JSON",
        lambda folder: (folder / "config.json").write_text('{"text_config": '),
        ("config.json", "not valid JSON"),
    ),
    Broken(
        "config.json is not text",
        lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe\x00"),
        ("config.json", "not valid JSON"),
    ),
    Broken(
        "config.json is a list",
        lambda folder: (folder / "config.json").write_text("[]"),
        ("config.json", "no JSON object"),
    ),
    Broken(
        "another family",
        config(lambda document: document.update(model_type="gpt2")),
        ("config.json", "gpt2"),
        "choose a folder that holds a",
    ),
    Broken(
        "no text_config",
        config(lambda document: document.pop("text_config")),
        ("config.json", "'text_config' is missing"),
    ),
    Broken(
        "text_config is null",
        config(lambda document: document.update(text_config=None)),
        ("config.json", "wrong type"),
    ),
    *(
        Broken(
            f"no {key}",
            config(lambda document, key=key: document["text_config"].pop(key)),
            ("config.json", f"'{key}' is missing"),
        )
        for key in TEXT_KEYS
    ),
    Broken("a size as text", text(hidden_size="32"), ("hidden_size", "'32'")),
    Broken("a size of zero", text(num_experts=0), ("num_experts", "not 0")),
    Broken("a size as truth", text(num_experts=True), ("num_experts", "True")),
    Broken("experts as null", text(num_experts=None), ("num_experts", "not None")),
    Broken("no softcap", text(final_logit_softcapping=None), ("final_logit_softcapping", "None")),
    Broken("a softcap as text", text(final_logit_softcapping="30"), ("finite number", "'30'")),
    Broken("a softcap below zero", text(final_logit_softcapping=-30.0), ("above 0", "-30.0")),
    Broken("an endless epsilon", text(rms_norm_eps=float("inf")), ("rms_norm_eps", "inf")),
    Broken(
        "fewer layer types than layers",
        text(num_hidden_layers=9),
        ("num_hidden_layers is 9", "layer_types names 4"),
    ),
    Broken(
        "a rope's base as text",
        config(
            lambda document: document["text_config"]["rope_parameters"]["full_attention"].update(
                rope_theta="1e6"
            )
        ),
        ("theta must be a finite number", "'1e6'"),
    ),
    Broken(
        "no canvas",
        config(lambda document: document.update(canvas_length=None)),
        ("canvas_length", "not None"),
    ),
    Broken("more used than there are", text(top_k_experts=9), ("top_k_experts 9",)),
    Broken("unknown layer", text(layer_types=["mamba"] * 3 + ["full_attention"]), ("['mamba']",)),
    Broken(
        "last layer slides",
        text(layer_types=["sliding_attention"], num_hidden_layers=1),
        ("full_attention",),
    ),
    Broken(
        "a rope is missing",
        config(lambda document: document["text_config"]["rope_parameters"].pop("full_attention")),
        ("rope_parameters lacks full_attention",),
    ),
    Broken("a rope of another type", text(rope_parameters=YARN), ("rope_parameters", "yarn")),
    Broken("biases", text(attention_bias=True), ("attention_bias = True", "not supported")),
    Broken("another activation", text(hidden_activation="silu"), ("hidden_activation", "silu")),
    Broken("no causal pass", text(use_bidirectional_attention="all"), ("'all'", "not supported")),
    Broken(
        "untied head",
        config(lambda document: document.update(tie_word_embeddings=False)),
        ("tie_word_embeddings = False",),
    ),
    Broken(
        "full layers of two shapes",
        text(per_layer_config={"1": {"head_dim": 32}}),
        ("per_layer_config", "different shapes"),
    ),
    Broken(
        "an unknown override of a layer",
        text(per_layer_config={"1": {"skip": ["mlp"]}}),
        ("per_layer_config of layer 1", "skip"),
    ),
    Broken(
        "no weights",
        lambda folder: (folder / WEIGHTS).unlink(),
        ("model", "no .safetensors file"),
    ),
    Broken("weights cut short", truncate, (WEIGHTS, "truncated")),
    Broken(
        "weights of zero bytes",
        lambda folder: (folder / WEIGHTS).write_bytes(b""),
        (WEIGHTS, "truncated"),
    ),
    Broken(
        "weights are a web page",
        lambda folder: (folder / WEIGHTS).write_text("<html>Not found</html>"),
        (WEIGHTS, "not a safetensors file"),
    ),
    Broken("a tensor is missing", tensors(lambda state: state.pop(NORM)), ("lacks", NORM)),
    Broken("a shard is missing", lose_a_shard, ("lacks", NORM)),
    Broken(
        "a tensor of another shape",
        tensors(lambda state: state.update({NORM: torch.ones(31)})),
        (WEIGHTS, NORM, "[31]", "[32]"),
    ),
    Broken(
        "a quantised tensor",
        tensors(lambda state: state.update({NORM: state[NORM].to(torch.float8_e4m3fn)})),
        (WEIGHTS, NORM, "F8_E4M3"),
        "fetch the bfloat16 version",
    ),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_folder_is_a_missing_model(broken: Broken, folder: Path) -> None:
    broken.do(folder)
    with pytest.raises(ModelMissing) as caught:
        load_model(folder, "cpu", torch.float32)
    message = str(caught.value)
    for words in (*broken.cause, broken.mend):
        assert words in message
    assert "\n" not in message
