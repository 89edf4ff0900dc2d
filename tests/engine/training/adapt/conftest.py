"""A base as small as can be, and a little corpus."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.training.adapt.settings import Settings
from engine.training.source import Source, write_sources

EMBEDDED = Path(__file__).parents[4] / "engine" / "embedded"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5},
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((EMBEDDED / "tokenizer.json").read_bytes())
    return folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    files = sorted(Path(__file__).parents[4].glob("engine/training/*.py"))
    sources = [
        Source("infill", path.name, path.read_text(encoding="utf-8"), "python") for path in files
    ]
    write_sources(sources[2:], folder / "train.jsonl")
    measured = [replace(source, package="attrs") for source in sources[:2]]
    write_sources(measured, folder / "held_out.jsonl")
    return folder


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Those of the model that ships, with chunks of 128 tokens."""
    whole = Settings.read()
    shapes = tuple(replace(shape, chunk_tokens=128, canvases=4) for shape in whole.data.shapes)
    data = replace(whole.data, chunks=2, shapes=shapes)
    schedule = replace(whole.schedule, positions=10_000, warmup=1000)
    return replace(whole, data=data, schedule=schedule)
