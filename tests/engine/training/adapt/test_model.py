"""The pass that is trained says what transformers' Llama says, of chunks and of canvases."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from engine.training.adapt import adapters
from engine.training.adapt.data import Batch, batch_of
from engine.training.adapt.model import TAUGHT, Dimensions, Model, read_weights, size_of, views
from engine.training.adapt.objective import head_loss, loss_of
from engine.training.adapt.settings import Adapters, Settings
from engine.training.adapt.tokens import read_tokenizer
from engine.training.data import Corpus, Share

SMALL = Adapters(rank=4, scale=8)


@pytest.fixture(scope="module")
def batch(base: Path, corpus: Path, settings: Settings) -> Batch:
    tokenizer = read_tokenizer(base)
    return batch_of(settings, tokenizer, Corpus(corpus / "train.jsonl"), 0, Share())


def model_of(base: Path, groups: int, *, larger: float = 1.0) -> Model:
    """In float32, before anything was learnt, the base's weights `larger` than they are."""
    dimensions = Dimensions.read(base)
    flat = torch.empty(size_of(dimensions.shapes()))
    read_weights(base, views(flat, dimensions.shapes()))
    flat *= larger
    weights = views(flat, dimensions.shapes())
    shapes = adapters.shapes(dimensions, SMALL)
    learnt = torch.empty(size_of(shapes))
    adapters.begin(views(learnt, shapes), weights["embedding"], 1)
    leaves = {name: view.detach().requires_grad_() for name, view in views(learnt, shapes).items()}
    return Model(weights, leaves, dimensions, groups, SMALL.scale / SMALL.rank)


@pytest.fixture(scope="module")
def model(base: Path, settings: Settings) -> Model:
    """One that has learnt nothing, but for the rows, which are the base's."""
    model = model_of(base, settings.data.groups)
    with torch.no_grad():
        model.learnt["rows"].copy_(model.base["embedding"][list(TAUGHT)])
    return model


@pytest.fixture(scope="module")
def reference(base: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


@torch.no_grad()
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "both ways"])
def test_canvases_see_what_is_before_them_and_themselves(
    batch: Batch, model: Model, reference: torch.nn.Module, causal: bool
) -> None:
    canvases = model.hidden(batch)
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
    rows = torch.randn(len(TAUGHT), 16, requires_grad=True)
    embedding = torch.randn(97, 16)
    target, weight = torch.randint(97, (700,)), torch.rand(700)
    total, losses = head_loss(hidden, embedding, rows, target, weight)
    total.backward()
    found = hidden.grad, rows.grad
    hidden.grad = rows.grad = None
    whole = embedding.index_copy(0, torch.tensor(TAUGHT), rows)
    expected = torch.nn.functional.cross_entropy(hidden @ whole.T, target, reduction="none")
    (expected * weight).sum().backward()
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(found, (hidden.grad, rows.grad))


def test_the_loss_parts_by_what_it_is_of(batch: Batch, model: Model, settings: Settings) -> None:
    loss = loss_of(model, batch, settings.causal)
    whole = loss.slot + settings.causal.weight * loss.causal_fill
    assert float(loss.total) == pytest.approx(whole, rel=1e-5)


def test_gradients_are_the_slopes_of_the_loss(batch: Batch, base: Path, settings: Settings) -> None:
    model = model_of(base, settings.data.groups, larger=2)  # far from where everything is alike
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.learnt.values():
            weight += torch.randn_like(weight) * 0.05
    loss_of(model, batch, settings.causal).total.backward()
    for name, weight in model.learnt.items():
        assert weight.grad is not None
        direction = torch.randn_like(weight) * weight.detach().std().clamp(min=0.1)
        expected = float((weight.grad * direction).sum())
        ends = []
        for step in (0.002, -0.002):
            with torch.no_grad():
                weight += step * direction
                ends.append(float(loss_of(model, batch, settings.causal).total))
                weight -= step * direction
        assert (ends[0] - ends[1]) / 0.004 == pytest.approx(expected, rel=0.05, abs=0.02), name
