"""The loss in pieces against the loss at once."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from engine.training import head
from engine.training.head import head_loss

CAP = 30.0


@pytest.mark.parametrize("count", [1, 16, 37], ids=["one row", "whole pieces", "a piece cut short"])
def test_loss_and_gradients_as_at_once(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(head.ROWS, "cpu", 16)
    generator = torch.Generator().manual_seed(count)
    hidden = torch.randn(count, 24, generator=generator).mul_(20).requires_grad_()
    embedding = torch.randn(50, 24, generator=generator).requires_grad_()
    target = torch.randint(0, 50, (count,), generator=generator)
    weight = torch.rand(count, generator=generator)
    logits = CAP * torch.tanh(hidden @ embedding.T / CAP)
    expected = functional.cross_entropy(logits, target, reduction="none")
    wanted = torch.autograd.grad(3 * (expected * weight).sum(), (hidden, embedding))
    total, losses = head_loss(hidden, embedding, target, weight, CAP)
    assert not losses.requires_grad
    torch.testing.assert_close(losses, expected.detach(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(total, (losses * weight).sum())
    for found, right in zip(
        torch.autograd.grad(3 * total, (hidden, embedding)), wanted, strict=True
    ):
        torch.testing.assert_close(found, right, atol=1e-4, rtol=1e-3)


def test_what_has_no_weight_has_no_gradient() -> None:
    hidden, embedding = torch.randn(2, 8).requires_grad_(), torch.randn(9, 8)
    total, _ = head_loss(hidden, embedding, torch.tensor([1, 2]), torch.tensor([0.0, 1.0]), CAP)
    total.backward()
    assert hidden.grad is not None
    assert not hidden.grad[0].any()
    assert hidden.grad[1].any()
