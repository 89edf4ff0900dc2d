"""The canvas: a fixed row of tokens, pinned where the text is known, open where a hole is.

    | head | hole (text, then slack) | text between | hole | suffix ... <eos> <pad> |
      pinned          open                pinned      open   pinned

A candidate is one guess at how long the holes are. All candidates of a request have the same
width, so they are denoised as one batch, and positions have no gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor


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
    """One candidate: its ids (a placeholder in the holes) and where the holes are."""

    ids: tuple[int, ...]
    holes: tuple[Hole, ...]

    @property
    def width(self) -> int:
        return len(self.ids)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where each hole is among the row's open positions."""
        ends = list(accumulate(len(hole) for hole in self.holes))
        return list(zip([0, *ends], ends, strict=False))


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
) -> Layout | None:
    """Lay holes of `lengths` among pinned tokens on a canvas of `width`; None if they do not fit.

    `between` are the texts between neighbouring holes. The suffix is cut where the canvas ends.
    `end_of_text` says that nothing follows the suffix: then <eos> follows it, then padding; a
    suffix that is merely short ends in padding alone.
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
    ids += [pad] * (width - len(ids))
    return Layout(tuple(ids), tuple(holes))


@dataclass(frozen=True, slots=True)
class Canvas:
    """A batch of candidates as tensors.

    `ids` [B, C]: pinned tokens, and in the holes what denoising starts from. `places` [B, M]: the
    open positions of each row, M the largest number in any; where a row has fewer, `real` [B, M]
    is False and the place repeats the row's last one. `starts` [B, M] is True where a hole begins;
    None says that a row is one hole. Denoising sees open positions alone, in this compact form:
    pinned ones cannot enter its statistics.
    """

    ids: Tensor
    places: Tensor
    real: Tensor
    starts: Tensor | None = None

    @classmethod
    def of(cls, layouts: Sequence[Layout], device: torch.device) -> Canvas:
        """Candidates of one width, placeholders in their holes."""
        open_ = [[at for hole in layout.holes for at in range(*hole.span)] for layout in layouts]
        begin = [{hole.start for hole in layout.holes} for layout in layouts]
        most = max(len(places) for places in open_)
        return cls(
            ids=torch.tensor([layout.ids for layout in layouts], device=device),
            places=torch.tensor(
                [places + places[-1:] * (most - len(places)) for places in open_], device=device
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
        )

    def write(self, tokens: Tensor) -> Canvas:
        """The canvas with `tokens` [B, M] in its open positions; pinned ones stay exact."""
        # A repeated place is written only by the real one: the spare copies carry its value.
        last = self.real.sum(dim=-1, keepdim=True) - 1
        final = tokens.gather(1, last).expand_as(tokens)
        return replace(
            self, ids=self.ids.scatter(1, self.places, torch.where(self.real, tokens, final))
        )

    def read(self) -> Tensor:
        """The tokens [B, M] in the open positions."""
        return self.ids.gather(1, self.places)

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
        starts = self.starts[keep] if self.starts is not None else None
        return Canvas(self.ids[keep], self.places[keep], self.real[keep], starts)


def fill_hole(tokens: Sequence[int], slack: int | None) -> list[int]:
    """What a resolved hole holds: its tokens without slack, which deletes itself wherever it is."""
    return [token for token in tokens if token != slack]


__all__ = ["Canvas", "Hole", "Layout", "fill_hole", "lay_out"]
