"""What was learnt, as the engine reads it: canvases and causal fills of a snapshot say what the
pass that is trained says of them, and the prompt is read as the base reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.api import ModelMissing
from engine.checkpoints.load import load_model
from engine.models.family import Look, prepared
from engine.training.adapt import adapters
from engine.training.adapt.adapters import CANVAS_ADAPTER
from engine.training.adapt.data import Batch, batch_of
from engine.training.adapt.export import filling
from engine.training.adapt.model import Dimensions, Model, size_of, views
from engine.training.adapt.settings import Settings
from engine.training.adapt.tokens import read_tokenizer
from engine.training.adapt.train import Run, read_base, snapshot
from engine.training.data import Corpus, Share


@pytest.fixture(scope="module")
def taught(
    base: Path, corpus: Path, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Model]:
    """A snapshot of what nobody taught, and the model that it is of, in float32."""
    folder, here = tmp_path_factory.mktemp("run"), torch.device("cpu")
    run = Run(settings, base, corpus, folder, here, False, None, 1)
    dimensions, given = Dimensions.read(base), settings.adapters
    flat = read_base(run, dimensions)
    shapes = adapters.shapes(dimensions, given)
    torch.manual_seed(0)
    learnt = (torch.randn(size_of(shapes)) * 0.1).bfloat16().float()
    written = snapshot(run, dimensions, flat, learnt, 1_000_000)
    config = filling(json.loads((written / "config.json").read_text()))
    config["infill"] = {**config["infill"], "canvas_adapter": CANVAS_ADAPTER}
    (written / "config.json").write_text(json.dumps(config))
    weights = views(flat.float(), dimensions.shapes())
    scale = given.scale / given.rank
    model = Model(weights, views(learnt, shapes), dimensions, settings.data.groups, scale)
    return written, model


@pytest.fixture(scope="module")
def batch(base: Path, corpus: Path, settings: Settings) -> Batch:
    tokenizer = read_tokenizer(base)
    return batch_of(settings, tokenizer, Corpus(corpus / "train.jsonl"), 0, Share())


def logits_of(model: Any, batch: Batch, row: int, index: int) -> torch.Tensor:
    """[C, V] of a canvas, by what the engine asks its models."""
    canvas, place = batch.canvas[row, index], batch.place[row, index]
    context = model.encode(batch.chunk[row, : batch.start[row, index]])
    if not batch.causal[row, index]:
        everywhere = torch.arange(len(canvas))[None]
        (logits,) = model.look([Look(canvas[None], context, everywhere)])
        return logits[0]
    begin = place.tolist().index(0)
    first = context.length
    if begin:
        context = model.causal.read_ahead(canvas[:begin], first + int(place[0]), context)
    count = len(canvas) - begin
    positions = torch.cat((torch.arange(context.length), first + torch.arange(count)))
    sees = torch.ones(count, context.length + count, dtype=torch.bool).tril(context.length)
    logits, _ = model.causal.score_tree(canvas[begin:], positions, sees, context)
    return torch.cat((torch.zeros(begin, logits.shape[1]), logits))


@torch.no_grad()
@pytest.mark.parametrize("fast", [False, True], ids=["plain", "prepared"])
def test_canvases_are_read_as_they_were_trained(
    taught: tuple[Path, Model], batch: Batch, fast: bool
) -> None:
    folder, trained = taught
    model = load_model(folder)
    embedding = model.state_dict()["embed_tokens.weight"].clone()
    model = prepared(model) if fast else model
    expected = trained.hidden(batch) @ embedding.T
    kinds = set()
    for row, index in (batch.start >= 0).nonzero().tolist():
        scored = batch.weight[row, index] > 0
        found = logits_of(model, batch, row, index)[scored]
        torch.testing.assert_close(found, expected[row, index][scored], atol=2e-4, rtol=1e-3)
        kinds.add(bool(batch.causal[row, index]))
    assert kinds == {True, False}


@torch.no_grad()
def test_the_prompt_is_read_by_the_base(taught: tuple[Path, Model], batch: Batch) -> None:
    folder, trained = taught
    context = load_model(folder).encode(batch.chunk[0])
    for index, (keys, values) in enumerate(trained.read(batch.chunk[:1])):
        torch.testing.assert_close(context.keys[index], keys, atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(context.values[index], values, atol=1e-4, rtol=1e-3)


def test_what_is_added_must_be_there_and_fit(taught: tuple[Path, Model], tmp_path: Path) -> None:
    folder, _ = taught
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    added = load_file(tmp_path / CANVAS_ADAPTER)
    name = next(iter(added))
    save_file({**added, name: added[name][:, :3].clone()}, tmp_path / CANVAS_ADAPTER)
    with pytest.raises(ModelMissing, match="does not fit"):
        load_model(tmp_path)
    (tmp_path / CANVAS_ADAPTER).unlink()
    with pytest.raises(ModelMissing, match=CANVAS_ADAPTER):
        load_model(tmp_path)
