"""A constraint as rows of tokens: which may stand in each position of a hole, beside the others.

The constraint's automaton (engine/constraint) reads characters. Every token leads from some of its
states to others, and a row of tokens is a way from its start to where a text may end. What may
stand in a position is found from both sides: the states that can be reached from the left with what
is known there, and those that the end can be reached from with what is known on the right. The best
row is found in the same way, with scores (Viterbi).

Slack ends a hole: it may follow where a text may end, and nothing but slack follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from engine.constraint.automaton import DEAD, START, Automaton
from engine.denoise.rules.joint import OPEN
from engine.fill.token_texts import TokenTexts

REMEMBERED = 64  # masks: of several candidates that hold the same
LIKELIEST = 64  # tokens of a position of which a row is looked for first


@dataclass(frozen=True, slots=True)
class _Edges:
    """What leads where, in the order of tokens: `token[e]` leads from state `start[e]` to `to[e]`.
    `first[t]` is the first edge of token t; `pairs` are the different starts and ends."""

    start: Tensor
    token: Tensor
    to: Tensor
    first: Tensor
    pairs: tuple[Tensor, Tensor]

    @classmethod
    def of(cls, start: Tensor, token: Tensor, to: Tensor, size: int, states: int) -> _Edges:
        order = token.argsort(stable=True)
        start, token, to = start[order], token[order], to[order]
        first = torch.searchsorted(token, torch.arange(size + 1))
        pairs = (start * states + to).unique()
        return cls(start, token, to, first, (pairs // states, pairs % states))

    def of_tokens(self, tokens: Tensor) -> Tensor:
        """The edges of `tokens`, which are different ones."""
        first, count = self.first[tokens], self.first[tokens + 1] - self.first[tokens]
        skipped = count.cumsum(0) - count
        return torch.arange(int(count.sum())) + (first - skipped).repeat_interleave(count)


class TokenLanguage:
    """Rows of tokens whose texts, one after the other, the `automaton` accepts.

    `texts` are those of V tokens, `banned` [V] is True for tokens that may not be used at all, and
    `slack` is the token that may fill up a hole's end, if there is one.
    """

    def __init__(
        self, automaton: Automaton, texts: TokenTexts, banned: Tensor, slack: int | None
    ) -> None:
        self._texts, self._slack, self._size = texts, slack, len(texts)
        self._ended = len(automaton.steps)  # the state behind the first slack
        self._states = self._ended + 1
        self._table = torch.tensor(automaton.steps)
        self._bounds = torch.tensor(automaton.bounds)
        self._accepting = torch.zeros(self._states, dtype=torch.bool)
        self._accepting[[*automaton.accepting, self._ended]] = True
        usable = ~banned.cpu()
        self._usable = texts.spelled[usable[texts.spelled]]
        self._steps: dict[int, tuple[Tensor, Tensor]] = {}
        self._masks: dict[tuple[bytes, bytes], Tensor] = {}
        self._remembered = lru_cache(maxsize=REMEMBERED)(self._permitted)

    def lengths(self, most: int) -> list[int]:
        """Of how many tokens, 1 to `most`, rows can be; rising."""
        reached, found = {START}, []
        for length in range(1, most + 1):
            reached = {to for state in reached for to in self.step(state)[1].unique().tolist()}
            if not reached:
                break
            if any(bool(self._accepting[state]) for state in reached):
                found.append(length)
        return found

    def permitted(self, known: tuple[int, ...]) -> Tensor:
        return self._remembered(known)

    def likeliest(self, scores: Tensor) -> Tensor:
        scores = self._weighed(scores.float().cpu())
        # Of the likeliest tokens first: all of them are many, and seldom better.
        for count in (min(LIKELIEST, self._size), self._size):
            row = self._best(scores, count)
            if row is not None:
                return row
        raise ValueError("no row of the language has a score")

    def step(self, state: int) -> tuple[Tensor, Tensor]:
        """The tokens that may come next in `state`, and the states that they lead to."""
        if state not in self._steps:
            self._steps[state] = self._step(state)
        return self._steps[state]

    def may_end(self, state: int) -> bool:
        return bool(self._accepting[state])

    def after(self, state: int, token: int) -> int:
        """The state that `token` leads to, which may come next in `state`."""
        tokens, to = self.step(state)
        return int(to[tokens == token][0])

    def _step(self, state: int) -> tuple[Tensor, Tensor]:
        if state == self._ended:
            return torch.tensor([self._slack]), torch.tensor([state])
        tokens = self._usable
        lengths = self._texts.lengths
        now = torch.full_like(tokens, state)
        done: list[tuple[Tensor, Tensor]] = []
        for at in range(_longest(lengths, tokens)):
            kinds = torch.bucketize(self._texts.characters[tokens, at], self._bounds, right=True)
            now = self._table[now, kinds]
            alive = now != DEAD
            tokens, now = tokens[alive], now[alive]
            ends = lengths[tokens] == at + 1
            done.append((tokens[ends], now[ends]))
            tokens, now = tokens[~ends], now[~ends]
        if self._slack is not None and self._accepting[state]:
            done.append((torch.tensor([self._slack]), torch.tensor([self._ended])))
        if not done:
            return torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
        return torch.cat([each for each, _ in done]), torch.cat([each for _, each in done])

    @cached_property
    def _edges(self) -> _Edges:
        """All that tokens lead from and to."""
        found = list(self._walk([START]))
        return _Edges.of(
            torch.cat([torch.full_like(tokens, state) for state, tokens, _ in found]),
            torch.cat([tokens for _, tokens, _ in found]),
            torch.cat([to for _, _, to in found]),
            self._size,
            self._states,
        )

    def _walk(self, states: Iterable[int]) -> Iterator[tuple[int, Tensor, Tensor]]:
        known, waiting = set(states), list(states)
        while waiting:
            state = waiting.pop()
            tokens, to = self.step(state)
            yield state, tokens, to
            fresh = set(to.unique().tolist()) - known
            known |= fresh
            waiting += fresh

    def _permitted(self, known: tuple[int, ...]) -> Tensor:
        edges, length = self._edges, len(known)
        before = torch.zeros(length + 1, self._states, dtype=torch.bool)
        before[0, START] = True
        here = [None if each == OPEN else edges.of_tokens(torch.tensor([each])) for each in known]
        for at, chosen in enumerate(here):
            start, to = edges.pairs if chosen is None else (edges.start[chosen], edges.to[chosen])
            before[at + 1, to[before[at, start]]] = True
        mask = torch.zeros(length, self._size, dtype=torch.bool)
        after = self._accepting & before[length]
        for at in reversed(range(length)):
            chosen = here[at]
            if chosen is None:
                mask[at] = self._between(before[at], after)
                start, to = edges.pairs
            else:
                start, to = edges.start[chosen], edges.to[chosen]
                mask[at, known[at]] = bool((before[at, start] & after[to]).any())
            leads = start[before[at, start] & after[to]]
            after = torch.zeros_like(after)
            after[leads] = True
        return mask

    def _between(self, before: Tensor, after: Tensor) -> Tensor:
        """[V], True for the tokens that lead from one of the states `before` to one `after`."""
        key = before.numpy().tobytes(), after.numpy().tobytes()
        if key not in self._masks:
            edges = self._edges
            mask = torch.zeros(self._size, dtype=torch.bool)
            mask[edges.token[before[edges.start] & after[edges.to]]] = True
            if len(self._masks) >= REMEMBERED:
                self._masks.pop(next(iter(self._masks)))
            self._masks[key] = mask
        return self._masks[key]

    def _best(self, scores: Tensor, count: int) -> Tensor | None:
        """The best row of the `count` likeliest tokens in each position; None where there is no row
        of them."""
        edges, length = self._edges, len(scores)
        best = torch.full((length + 1, self._states), -torch.inf)
        best[0, START] = 0.0
        steps = []
        for at, tokens in enumerate(scores.topk(count, dim=-1).indices):
            chosen = edges.of_tokens(tokens[scores[at, tokens] > -torch.inf])
            start, to = edges.start[chosen], edges.to[chosen]
            reached = best[at, start] + scores[at, edges.token[chosen]]
            best[at + 1] = best[at + 1].scatter_reduce(0, to, reached, "amax")
            steps.append((chosen, reached))
        ends = best[length].masked_fill(~self._accepting, -torch.inf)
        state = int(ends.argmax())
        if ends[state] == -torch.inf:
            return None
        row = torch.zeros(length, dtype=torch.int64)
        for at in reversed(range(length)):
            chosen, reached = steps[at]
            edge = chosen[reached.masked_fill(edges.to[chosen] != state, -torch.inf).argmax()]
            row[at], state = edges.token[edge], int(edges.start[edge])
        return row

    def _weighed(self, scores: Tensor) -> Tensor:
        """Slack is one token and text is thousands: whether a hole ends is a matter of all of them
        together, so that the likeliest has the weight of all."""
        if self._slack is None:
            return scores
        text = scores.clone()
        text[:, self._slack] = -torch.inf
        most = text.max(dim=-1, keepdim=True).values
        more = (text.logsumexp(dim=-1, keepdim=True) - most).nan_to_num(0.0)
        weighed = scores + more
        weighed[:, self._slack] = scores[:, self._slack]
        return weighed


def _longest(lengths: Tensor, tokens: Tensor) -> int:
    return int(lengths[tokens].max()) if len(tokens) else 0


__all__ = ["TokenLanguage"]
