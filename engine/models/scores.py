"""Log-probabilities of given tokens, without the logits of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

SLICE = 64  # places whose logits live at once when texts are ranked


def score_tokens(
    logits: Callable[[Tensor], Tensor],
    hidden: Tensor,
    some: Tensor,
    at: Sequence[int],
    tokens: Sequence[int],
) -> Tensor:
    """The log-probability [N] of each of `tokens` [N] behind place `at` [N], where `hidden` [S, H]
    are the states of the places `some` [S], in ascending order.

    The vocabulary is looked at for SLICE places at a time.
    """
    rows = torch.searchsorted(some, torch.tensor(at, device=some.device))
    chosen = torch.tensor(tokens, device=some.device)
    found = torch.empty(len(chosen), device=some.device)
    for start in range(0, len(some), SLICE):
        scores = logits(hidden[start : start + SLICE]).log_softmax(dim=-1)
        inside = (rows >= start) & (rows < start + SLICE)
        found[inside] = scores[rows[inside] - start, chosen[inside]]
    return found


def score_in_slices(logits: Callable[[Tensor], Tensor], hidden: Tensor, tokens: Tensor) -> Tensor:
    """The log-probability [N] of each of `tokens` [N] where `hidden` [N, H] stands, with the
    vocabulary looked at for SLICE places at a time."""
    found = [
        logits(states).log_softmax(dim=-1).gather(-1, some[:, None]).squeeze(-1)
        for states, some in zip(hidden.split(SLICE), tokens.split(SLICE), strict=True)
    ]
    return torch.cat(found)
