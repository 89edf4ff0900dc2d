"""Prompt and canvas as one text that is read in both directions at every look.

What a prompt's token looks like depends on the canvas after it: of a prompt nothing but its tokens
can be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from engine.models.dense.backbone import Backbone
from engine.models.dense.config import Config
from engine.models.dense.heads import from_heads, to_heads
from engine.models.family import Look
from kernels.attention import canvas_attention


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A prompt of tokens `ids` [P]."""

    ids: Tensor

    @property
    def length(self) -> int:
        return len(self.ids)

    def crop(self, length: int) -> Text:
        return Text(self.ids[:length])


class Bidirectional(Backbone[Text]):
    def __init__(self, config: Config) -> None:
        if config.masking.attention != "bidirectional":
            raise ValueError(f"attention = {config.masking.attention!r} is of another class")
        super().__init__(config)

    def encode(self, ids: Tensor, context: Text | None = None) -> Text:
        return Text(ids if context is None else torch.cat((context.ids, ids)))

    def look(self, looks: Sequence[Look[Text]]) -> list[Tensor]:
        texts = [_text(look) for look in looks]
        ids = torch.cat([text.flatten() for text in texts])
        positions = torch.cat(
            [torch.arange(text.shape[1], device=text.device).repeat(len(text)) for text in texts]
        )
        sizes = [text.numel() for text in texts]

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            seen = []
            own = (each.split(sizes) for each in (query, key, value))
            for text, q, k, v in zip(texts, *own, strict=True):
                q, k, v = (to_heads(each, len(text)) for each in (q, k, v))
                no_key, no_value = k[:1, :, :0], v[:1, :, :0]
                seen.append(from_heads(canvas_attention(q, k, v, no_key, no_value, 0)))
            return torch.cat(seen)

        starts = accumulate(sizes[:-1], initial=0)
        rows = [self._rows(look) + start for look, start in zip(looks, starts, strict=True)]
        logits = self.logits(self.run(ids, positions, attend, torch.cat(rows)))
        return [
            each.view(*look.positions.shape, -1)
            for look, each in zip(looks, logits.split([len(each) for each in rows]), strict=True)
        ]

    def _rows(self, look: Look[Text]) -> Tensor:
        """The tokens whose logits are those of the positions that were asked for, among the look's
        [B * (P + C)]: [B * M]. With a shift, a text's first token has nothing before it, and its
        own logits stand in."""
        rows, width = look.canvas.shape
        at = look.context.length + look.positions
        if self.config.masking.shift:
            at = (at - 1).clamp_min(0)
        first = torch.arange(rows, device=at.device)[:, None] * (look.context.length + width)
        return (at + first).flatten()


def _text(look: Look[Text]) -> Tensor:
    """[B, P + C]"""
    prompt = look.context.ids.expand(len(look.canvas), -1)
    return torch.cat((prompt, look.canvas), dim=1)


__all__ = ["Bidirectional", "Text"]
