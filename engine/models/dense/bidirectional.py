"""Prompt and canvas as one text that is read in both directions at every look.

What a prompt's token looks like depends on the canvas after it: of a prompt nothing but its tokens
can be kept for good. Within a fill its keys and values change little from look to look. A look that
says so takes those of an earlier one, and computes the canvas alone: the approximate prefix cache
of the field, whose loss docs/models.md tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.models.dense.backbone import Backbone
from engine.models.dense.config import Config
from engine.models.dense.heads import from_heads, to_heads
from engine.models.dense.texts import Texts, run_texts
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

    def states(self, looks: Sequence[Look[Text]]) -> list[Tensor]:
        readings = [_reading(look) for look in looks]

        def attend(index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            sizes = [len(reading.texts.ids) for reading in readings]
            own = (each.split(sizes) for each in (query, key, value))
            return torch.cat(
                [
                    reading.attend(index, q, k, v)
                    for reading, q, k, v in zip(readings, *own, strict=True)
                ]
            )

        # With a shift, what stands before a position tells of it.
        back = int(self.config.masking.shift)
        texts = [reading.texts for reading in readings]
        return run_texts(self, texts, attend, [look.positions for look in looks], back)


class _Reading:
    """How a look is computed: prompt and canvases in full, and what the prompt's keys and values
    are may be kept."""

    def __init__(self, look: Look[Text]) -> None:
        self.texts = Texts.of(look, look.context.ids, 0)
        self._kept: _Kept | None = None
        # The prompt's last token is always computed: with a shift it tells of the first position.
        if look.prompt == "keep" and look.context.length > 1:
            rows = look.rows
            self._kept = _Kept(rows if rows is not None else torch.arange(len(look.canvas)))
            self._length = look.context.length - 1
            look.memory[_PROMPT] = self._kept

    def attend(self, index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = [], []

        def whole(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if self._kept is not None:
                keys.append(k[:, :, : self._length])
                values.append(v[:, :, : self._length])
            no_key, no_value = k[:1, :, :0], v[:1, :, :0]
            return canvas_attention(q, k, v, no_key, no_value, 0)

        out = self.texts.each(whole, query, key, value)
        if self._kept is not None:
            self._kept.keys.append(torch.cat(keys))
            self._kept.values.append(torch.cat(values))
        return out


class _Reusing:
    """How a look is computed where the keys and values of the prompt, all but its last token, are
    those of an earlier one."""

    def __init__(self, look: Look[Text], kept: _Kept) -> None:
        past = look.context.length - 1
        self.texts = Texts.of(look, look.context.ids[past:], past)
        self._past, self._kept = past, kept
        rows = look.rows
        self._at = kept.places(rows if rows is not None else torch.arange(len(look.canvas)))

    def attend(self, index: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        keys, values = self._kept.keys[index], self._kept.values[index]
        own = (each.split(self.texts.lengths) for each in (query, key, value))
        seen = []
        for at, *parts in zip(self._at, *own, strict=True):
            q, k, v = (to_heads(each) for each in parts)
            prompt = keys[at : at + 1], values[at : at + 1]
            seen.append(from_heads(canvas_attention(q, k, v, *prompt, self._past)))
        return torch.cat(seen)


class _Kept:
    """The keys and values of a prompt behind each of the canvases `rows` [B], ascending: per layer
    [B, kv heads, P - 1, D]."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows.tolist()
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def places(self, rows: Tensor) -> list[int]:
        """Where those of canvases are; of one of which nothing was kept, the first's."""
        known = {row: at for at, row in enumerate(self._rows)}
        return [known.get(row, 0) for row in rows.tolist()]


_PROMPT = "the prompt's keys and values"


def _reading(look: Look[Text]) -> _Reading | _Reusing:
    kept = look.memory.get(_PROMPT) if look.prompt == "reuse" else None
    return _Reading(look) if kept is None else _Reusing(look, kept)


__all__ = ["Bidirectional", "Text"]
