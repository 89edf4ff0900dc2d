"""The canvas: a fixed row of tokens, pinned where the text is known, open where a hole is.

    | head | hole (text, then slack) | text between | hole | suffix ... <eos> <pad> |
      pinned          open                pinned      open   pinned

A candidate is one guess at how long the holes are. All candidates of a request have the same
width, so they are denoised as one batch, and positions have no gaps. Of models that were trained on
texts that just end, padding is not looked at, and holes may change their length on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.denoise.edits import Edits, Span, spans_of


@dataclass(frozen=True, slots=True)
class Hole:
    """Canvas positions `start` to `end` (exclusive), at least one."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a hole needs a position: {self.start} to {self.end} has none")

    @property
    def span(self) -> tuple[int, int]:
        return self.start, self.end

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Layout:
    """One candidate: its ids (a placeholder in the holes) and where the holes are.

    `length`: the first so many of `ids` are looked at; None for all of them, padding too.
    """

    ids: tuple[int, ...]
    holes: tuple[Hole, ...]
    length: int | None = None

    @property
    def width(self) -> int:
        return len(self.ids)

    @property
    def spans(self) -> list[Span]:
        """Where each hole is among the row's open positions."""
        return spans_of([len(hole) for hole in self.holes])


def lay_out(
    head: Sequence[int],
    between: Sequence[Sequence[int]],
    suffix: Sequence[int],
    lengths: Sequence[int],
    width: int,
    *,
    eos: int | None,
    pad: int,
    end_of_text: bool,
    padded: bool = True,
) -> Layout | None:
    """Lay holes of `lengths` among pinned tokens on a canvas of `width`; None if they do not fit.

    `between` are the texts between neighbouring holes. The suffix is cut where the canvas ends.
    `end_of_text` says that nothing follows the suffix: then <eos> follows it, then padding; a
    suffix that is merely short ends in padding alone. Not `padded`, padding is not looked at.
    """
    ids = list(head)
    holes: list[Hole] = []
    for index, length in enumerate(lengths):
        if index:
            ids += between[index - 1]
        holes.append(Hole(len(ids), len(ids) + length))
        ids += [pad] * length
    if len(ids) > width:
        return None
    ids += suffix[: width - len(ids)]
    if end_of_text and eos is not None and len(ids) < width:
        ids.append(eos)
    looked_at = None if padded else len(ids)
    ids += [pad] * (width - len(ids))
    return Layout(tuple(ids), tuple(holes), looked_at)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A batch of candidates as tensors.

    `ids` [B, C]: pinned tokens, and in the holes what denoising starts from. `places` [B, M]: the
    open positions of each row, M the largest number in any; where a row has fewer, `real` [B, M]
    is False and the place repeats the row's last one. `starts` [B, M] is True where a hole begins;
    None says that a row is one hole. Denoising sees open positions alone, in this compact form:
    pinned ones cannot enter its statistics. `holes` are the lengths of each row's holes, and
    `lengths` how many of its tokens are looked at (None: all of them).
    """

    ids: Tensor
    places: Tensor
    real: Tensor
    starts: Tensor | None = None
    holes: tuple[tuple[int, ...], ...] = ()
    lengths: tuple[int, ...] | None = None

    @classmethod
    def of(cls, layouts: Sequence[Layout], device: torch.device) -> Canvas:
        """Candidates, placeholders in their holes; all of one width where padding is looked at."""
        lengths = [layout.length for layout in layouts]
        return cls._of(
            [list(layout.ids) for layout in layouts],
            [[range(*hole.span) for hole in layout.holes] for layout in layouts],
            None if None in lengths else [length or 0 for length in lengths],
            device,
        )

    @classmethod
    def _of(
        cls,
        ids: Sequence[list[int]],
        holes: Sequence[Sequence[range]],
        lengths: Sequence[int] | None,
        device: torch.device,
    ) -> Canvas:
        """`holes` are the positions of each row's holes. A row of `ids` that is shorter than others
        is filled up with what is not looked at."""
        width = max(map(len, ids))
        open_ = [[at for hole in row for at in hole] for row in holes]
        begin = [{hole.start for hole in row if hole} for row in holes]
        most = max(1, *map(len, open_))
        return cls(
            ids=torch.tensor(
                [[*row, *[row[-1]] * (width - len(row))] for row in ids], device=device
            ),
            places=torch.tensor(
                [places + (places or [0])[-1:] * (most - len(places)) for places in open_],
                device=device,
            ),
            real=torch.tensor(
                [[at < len(places) for at in range(most)] for places in open_], device=device
            ),
            starts=torch.tensor(
                [
                    [at < len(places) and places[at] in first for at in range(most)]
                    for places, first in zip(open_, begin, strict=True)
                ],
                device=device,
            ),
            holes=tuple(tuple(map(len, row)) for row in holes),
            lengths=None if lengths is None else tuple(lengths),
        )

    def write(self, tokens: Tensor) -> Canvas:
        """The canvas with `tokens` [B, M] in its open positions; pinned ones stay exact."""
        # A repeated place is written only by the real one: the spare copies carry its value.
        last = (self.real.sum(dim=-1, keepdim=True) - 1).clamp_min(0)
        final = tokens.gather(1, last).expand_as(tokens)
        return replace(
            self, ids=self.ids.scatter(1, self.places, torch.where(self.real, tokens, final))
        )

    def read(self) -> Tensor:
        """The tokens [B, M] in the open positions."""
        return self.ids.gather(1, self.places)

    def edited(self, edits: Edits, new: int) -> Canvas:
        """The canvas with its holes as `edits` have them, `new` in positions that are new. What is
        pinned moves and stays exact, and rows become as long as they need to be.

        Raises ValueError for a canvas whose padding is looked at: its rows are all of one length.
        """
        if self.lengths is None:
            raise ValueError("a canvas whose padding is looked at cannot change its length")
        rows, holes, lengths = [], [], []
        ids, places = self.ids.tolist(), self.places.tolist()
        for row, (length, before) in enumerate(zip(self.lengths, self.holes, strict=True)):
            text, spans = _rewritten(
                ids[row][:length], places[row], spans_of(before), edits.sources[row], new
            )
            rows.append(text)
            holes.append(spans)
            lengths.append(len(text))
        return Canvas._of(rows, holes, lengths, self.ids.device)

    def begin_with(
        self, layouts: Sequence[Layout], drafts: Sequence[Sequence[int]], slack: int | None
    ) -> Canvas:
        """The holes begin with the tokens of `drafts`, one per hole, then slack; what is there
        already stays where there is neither."""
        tokens = self.read()
        for row, layout in enumerate(layouts):
            for (start, end), ids in zip(layout.spans, drafts, strict=False):
                known = list(ids[: end - start])
                if slack is not None:
                    known += [slack] * (end - start - len(known))
                tokens[row, start : start + len(known)] = torch.tensor(known, device=tokens.device)
        return self.write(tokens)

    def rows(self, keep: Tensor) -> Canvas:
        """The candidates that `keep` selects: [B] booleans or row numbers."""
        chosen = torch.arange(len(self.ids), device=keep.device)[keep].tolist()
        return Canvas(
            self.ids[keep],
            self.places[keep],
            self.real[keep],
            None if self.starts is None else self.starts[keep],
            tuple(self.holes[row] for row in chosen) if self.holes else (),
            None if self.lengths is None else tuple(self.lengths[row] for row in chosen),
        )


def _rewritten(
    ids: list[int],
    places: Sequence[int],
    spans: Sequence[Span],
    sources: Sequence[Sequence[int | None]],
    new: int,
) -> tuple[list[int], list[range]]:
    """A row's `ids` with other holes, and where these are; `places` are its open positions, and
    `spans` which of them each hole has now."""
    text: list[int] = []
    holes: list[range] = []
    copied = 0
    for (start, end), hole in zip(spans, sources, strict=True):
        if start < end:  # a hole that is empty already lies behind what was copied
            text += ids[copied : places[start]]
            copied = places[start] + end - start
        begin = len(text)
        text += [new if source is None else ids[places[source]] for source in hole]
        holes.append(range(begin, len(text)))
    return text + ids[copied:], holes


def fill_hole(tokens: Sequence[int], slack: int | None) -> list[int]:
    """What a resolved hole holds: its tokens without slack, which deletes itself wherever it is."""
    return [token for token in tokens if token != slack]


__all__ = ["Canvas", "Hole", "Layout", "fill_hole", "lay_out"]
