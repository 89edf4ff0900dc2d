"""The pass that is trained says what transformers' Llama says, of chunks and of canvases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine.training.adapt.data import Batch, batch_of
from engine.training.adapt.model import (
    Dimensions,
    Model,
    read_weights,
    size_of,
    to_checkpoint,
    views,
)
from engine.training.adapt.objective import head_loss, loss_of
from engine.training.adapt.settings import Settings
from engine.training.adapt.tokens import read_tokenizer
from engine.training.data import Corpus, Share


@pytest.fixture(scope="module")
def batch(base: Path, corpus: Path, settings: Settings) -> Batch:
    tokenizer = read_tokenizer(base)
    return batch_of(settings, tokenizer, Corpus(corpus / "train.jsonl"), 0, Share())


@pytest.fixture(scope="module")
def model(base: Path, settings: Settings) -> Model:
    dimensions = Dimensions.read(base)
    flat = torch.empty(size_of(dimensions))
    read_weights(base, views(flat, dimensions))
    return Model(views(flat, dimensions), dimensions, settings.data.groups)


@pytest.fixture(scope="module")
def reference(base: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


@torch.no_grad()
def test_chunks_are_read_as_the_reference_reads_them(
    batch: Batch, model: Model, reference: torch.nn.Module
) -> None:
    chunk, _ = model.hidden(batch)
    torch.testing.assert_close(chunk, reference.model(batch.chunk).last_hidden_state)


@torch.no_grad()
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "both ways"])
def test_canvases_see_what_is_before_them_and_themselves(
    batch: Batch, model: Model, reference: torch.nn.Module, causal: bool
) -> None:
    _, canvases = model.hidden(batch)
    width = batch.canvas.shape[2]
    compared = 0
    for row, index in (batch.causal == causal).nonzero().tolist():
        start = int(batch.start[row, index])
        ids = torch.cat((batch.chunk[row, :start], batch.canvas[row, index]))
        unseen = torch.ones(len(ids), len(ids)).triu(1)
        if not causal:
            unseen[start:, start:] = 0
        mask = (unseen * -1e30)[None, None]
        places = torch.cat((torch.arange(start), start + batch.place[row, index]))
        read = reference.model(ids[None], attention_mask=mask, position_ids=places[None])
        whole = read.last_hidden_state[0]
        torch.testing.assert_close(canvases[row, index], whole[start:])
        assert len(whole[start:]) == width
        compared += 1
    assert compared


def test_the_head_takes_what_autograd_would() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(700, 16, requires_grad=True)
    embedding = torch.randn(97, 16, requires_grad=True)
    target, weight = torch.randint(97, (700,)), torch.rand(700)
    total, losses = head_loss(hidden, embedding, target, weight)
    total.backward()
    found = hidden.grad, embedding.grad.clone()
    hidden.grad = embedding.grad = None
    expected = torch.nn.functional.cross_entropy(hidden @ embedding.T, target, reduction="none")
    (expected * weight).sum().backward()
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(found, (hidden.grad, embedding.grad))


def test_the_loss_parts_by_what_it_is_of(batch: Batch, model: Model, settings: Settings) -> None:
    loss = loss_of(model, batch, settings.causal)
    causal = settings.causal
    whole = loss.slot + causal.weight * loss.causal_fill + causal.chunk_weight * loss.chunk
    assert float(loss.total) == pytest.approx(whole, rel=1e-5)


def test_gradients_are_the_slopes_of_the_loss(batch: Batch, base: Path, settings: Settings) -> None:
    dimensions = Dimensions.read(base)
    flat = torch.empty(size_of(dimensions))
    read_weights(base, views(flat, dimensions))
    flat *= 4  # far from where everything is alike
    weights = {
        name: view.detach().requires_grad_() for name, view in views(flat, dimensions).items()
    }
    model = Model(weights, dimensions, settings.data.groups)
    loss_of(model, batch, settings.causal).total.backward()
    torch.manual_seed(0)
    for name, weight in weights.items():
        direction = torch.randn_like(weight) * weight.detach().std().clamp(min=0.1)
        expected = float((weight.grad * direction).sum())
        ends = []
        for step in (0.002, -0.002):
            with torch.no_grad():
                weight += step * direction
                ends.append(float(loss_of(model, batch, settings.causal).total))
                weight -= step * direction
        assert (ends[0] - ends[1]) / 0.004 == pytest.approx(expected, rel=0.05, abs=0.02), name


def test_weights_go_back_under_the_names_they_came_with(
    base: Path, model: Model, reference: torch.nn.Module
) -> None:
    written = to_checkpoint(model.weights, model.dimensions)
    kept = {k: v for k, v in reference.state_dict().items() if k != "lm_head.weight"}
    assert written.keys() == kept.keys()
    assert all(written[name].equal(kept[name]) for name in kept)
