"""What slack is to the rules: the token that fills a hole's end, and so says where it ends."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoise.canvas import Canvas


def ends(slack: Tensor, canvas: Canvas) -> Tensor:
    """[B, M], True from where each hole ends: its first position where `slack`, the probability of
    the slack token [B, M], is above a half.

    Slack is one token and text is thousands: taking the likeliest token would end nearly every hole
    too early.
    """
    here = (slack > 0.5) & canvas.real
    return running(here.long(), canvas) > 0


def likeliest(shares: Tensor, slack: int, ended: Tensor) -> tuple[Tensor, Tensor]:
    """The likeliest tokens that `only_from` leaves, and their probabilities, [B, M] each, where
    `shares` [B, M, V] are those of all tokens."""
    # max, unlike argmax, is vectorised on a CPU.
    text = shares.index_fill(-1, torch.tensor(slack, device=shares.device), 0.0).max(dim=-1)
    tokens = torch.where(ended, slack, text.indices)
    return tokens, torch.where(ended, shares[..., slack], text.values)


def only_from(logits: Tensor, slack: int, ended: Tensor) -> Tensor:
    """`logits` [B, M, V] with nothing but slack where a hole has `ended`, and no slack before."""
    is_slack = torch.arange(logits.shape[-1], device=logits.device) == slack
    return logits.masked_fill(ended[..., None] != is_slack, -torch.inf)


def running(values: Tensor, canvas: Canvas) -> Tensor:
    """Running sums of `values` (none negative) within each hole, [B, M]."""
    total = values.cumsum(dim=-1)
    if canvas.starts is None:
        return total
    return total - torch.where(canvas.starts, total - values, 0).cummax(dim=-1).values
