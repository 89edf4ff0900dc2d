"""Beam search with the causal pass: how the text goes on for a reader who has not seen the rest.

The causal pass that encodes the prompt is a language model too, and in a small model a better one
than the denoising pass: it learns from every token it reads. Its lines join the candidates, which
are then ranked by both sides of the gap.

All hypotheses are one tree of tokens over the prompt's keys and values: a token sees the prompt and
its own ancestors, is computed once, and no key is ever moved.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.api import Cancelled, IsCancelled
from engine.checkpoints.profile import Profile
from engine.constraint.automaton import START
from engine.fill.language import TokenLanguage
from engine.fill.prompt import Lead, Prompt, encode, encoding_of, last_piece
from engine.fill.structure import LINE_BREAK, Surroundings
from engine.fill.token_texts import TokenTexts
from engine.models.family import Causal

MISFIT = 3.0  # nats that each fault of a line (engine/fill/structure.py) takes from it
MARGIN = 4.0  # nats; a line less likely than the likeliest one by more is never the right one
FLOOR = -7.0  # nats; nor is one less likely than this
OPEN = -1.6  # nats; the lines that are not done yet are together this much less likely: enough
LONGEST = 20  # tokens of a line
CHAINS = 4  # first lines that blocks are written on from
LONGEST_BLOCK = 80  # tokens, after its first line
MOST_LINES = 6  # of a block


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The start of a line: its tokens' places in the tree, its text, its log-probability."""

    path: tuple[int, ...]
    text: str
    score: float
    state: int = START  # of the language, where there is one


class Tree:
    """The tokens computed so far, `path` by `path`, behind a prompt's keys and values."""

    def __init__(self, causal: Causal[Any], lead: Lead, pad: int) -> None:
        self._causal, self._cache, self._pad = causal, lead.context, pad
        self._past, self._place = lead.context.length, lead.place
        self._depth: list[int] = []  # of each token, counted from the prompt's end

    @property
    def size(self) -> int:
        return len(self._depth)

    def grow(
        self, tokens: Sequence[int], parents: Sequence[tuple[int, ...]]
    ) -> tuple[list[tuple[int, ...]], Tensor]:
        """Put each of `tokens` behind the path of its parent: the new paths, and the
        log-probabilities [len(tokens), V] of what follows each.

        A parent may be among the tokens of the same call, at the place it is going to have.
        """
        device, known = self._causal.device, len(self._depth)
        paths = [(*parent, known + at) for at, parent in enumerate(parents)]
        self._depth += [len(parent) for parent in parents]
        spare = -len(tokens) % self._causal.grain
        sees = torch.zeros(len(tokens) + spare, known + len(tokens) + spare, dtype=torch.bool)
        for row, path in enumerate(paths):
            sees[row, list(path)] = True
        sees[len(tokens) :, -1] = True  # padding looks at padding
        places = [*range(self._past), *(self._place + depth for depth in self._depth)]
        logits, longer = self._causal.score_tree(
            torch.tensor([*tokens, *[self._pad] * spare], device=device),
            torch.tensor(places + [self._place] * spare, device=device),
            torch.nn.functional.pad(sees, (self._past, 0), value=True).to(device),
            self._cache,
        )
        self._cache = longer.crop(self._past + len(self._depth))
        return paths, logits[: len(tokens)].log_softmax(dim=-1)


@dataclass(frozen=True, slots=True)
class Writer:
    """What writes on behind a prompt's `lead`.

    `texts[id]` is a token's text, None for one that may not be written; `around` is what stands
    around the gap. With a `language`, which begins with `first`, nothing else is written.
    """

    causal: Causal[Any]
    tokenizer: Tokenizer
    texts: TokenTexts
    profile: Profile
    prompt: Prompt
    around: Surroundings
    lead: Lead
    cancelled: IsCancelled | None = None
    language: TokenLanguage | None = None

    @property
    def first(self) -> str:
        """What is written first: the head's last piece, anew, and what a healed seam took."""
        return _without_last(self.tokenizer, self.prompt.texts[0])[1] + self.prompt.seams[0].left

    def lines(self, longest: int = LONGEST) -> dict[str, float]:
        """At most `profile.ranking.beams` likely rests of the line that the prompt's head begins,
        with their log-probabilities, up to the text that stands behind the gap on its line.

        Raises Cancelled.
        """
        seam = self.prompt.seams[0]

        def misfit(line: str) -> float:
            return MISFIT * self.around.faults((line.removeprefix(seam.left),)).count

        return self._search(longest, self._rest(), misfit)

    @torch.no_grad()
    def blocks(self, longest: int) -> dict[str, float]:
        """Rests of the line alone and with lines below it, with their log-probabilities. They end
        before the line that stands below the gap. None where something stands behind the gap on
        its line that the pass has not read. Raises Cancelled.

        The first line is searched for; what follows each of the likeliest is the likeliest token
        by token, for all of them at once.
        """
        if self.lead.end is None and self._rest():
            return {}
        found = self._search(longest)
        behind = self.prompt.texts[-1]
        end = LINE_BREAK.search(behind)
        line_break = "\n" if end is None else end.group()
        below = next((line.strip() for line in LINE_BREAK.split(behind) if line.strip()), None)
        tree, start, piece, scores = self._begin()
        writable = self._fitting("")
        live = [
            Hypothesis(start, line + line_break, score)
            for line, score in list(found.items())[:CHAINS]
        ]
        tokens = [encode(self.tokenizer, piece + each.text) for each in live]
        room = longest - max(map(len, tokens), default=0)
        for _ in range(min(room, LONGEST_BLOCK)):
            if not live:
                break
            self._stop_if_cancelled()
            live, scores = _behind(tree, live, tokens)
            best = scores.masked_fill(~writable, -math.inf).max(dim=-1)
            grown: list[Hypothesis] = []
            tokens = []
            for each, token, likely in zip(live, best.indices.tolist(), best.values, strict=True):
                text, score = each.text + (self.texts[token] or ""), each.score + float(likely)
                if token == self.lead.end:
                    found[text.removesuffix(line_break)] = score
                    continue
                *lines, open_line = LINE_BREAK.split(text)
                if not open_line and not text.endswith("\r"):  # a line has ended
                    if lines[-1].strip() and lines[-1].strip() == below:
                        continue
                    found[line_break.join(lines)] = score
                    if len(lines) == MOST_LINES:
                        continue
                grown.append(Hypothesis(each.path, text, score))
                tokens.append([token])
            live = grown
        return {block: score for block, score in found.items() if block.strip()}

    @torch.no_grad()
    def _search(
        self, longest: int, rest: str = "", misfit: Callable[[str], float] = lambda line: 0.0
    ) -> dict[str, float]:
        """Likely rests of the line, likeliest first: such as end, with the line, before `rest`.
        `misfit` takes something from a score.

        The head's last token is written anew, so that a word broken off is read as its beginning.
        """
        tree, start, piece, scores = self._begin()
        # Of the last piece too: what a healed seam took is written first, and belongs to the rest.
        first, beams = piece + self.prompt.seams[0].left, self.profile.ranking.beams
        scores = scores.masked_fill(~self._fitting(first), -math.inf)
        # Of all lines that begin as this one does: how unlikely that beginning is does not count.
        live, scores = [Hypothesis(start, "", 0.0)], scores.log_softmax(dim=-1)
        done: dict[str, float] = {}
        for _ in range(min(longest, LONGEST)):
            self._stop_if_cancelled()
            grown: list[tuple[Hypothesis, int]] = []
            for hypothesis, token, score in _likeliest(live, scores, beams):
                text = hypothesis.text + (self.texts[token] or "")
                end = LINE_BREAK.search(text)
                if token == self.lead.end:
                    line = text[len(piece) :]
                    done[line] = _either(done.get(line, -math.inf), score - misfit(line))
                    continue
                if end is None:
                    state = START
                    if self.language is not None:
                        state = self.language.after(hypothesis.state, token)
                    grown.append((Hypothesis(hypothesis.path, text, score, state), token))
                    continue
                line = text[: end.start()].rstrip()
                if line.startswith(first) and line.endswith(rest):
                    line = line[len(piece) : len(line) - len(rest)]
                    done[line] = _either(done.get(line, -math.inf), score - misfit(line))
            grown = [pair for pair in grown if pair[0].score > _worst(done)][:beams]
            if not grown or _total(h.score for h, _ in grown) < _total(done.values()) + OPEN:
                break
            paths, scores = tree.grow([token for _, token in grown], [h.path for h, _ in grown])
            live = [replace(h, path=path) for path, (h, _) in zip(paths, grown, strict=True)]
            fits = [self._fitting(first[len(each.text) :], each.state) for each in live]
            scores = scores.masked_fill(~torch.stack(fits), -math.inf)
        best = sorted(done.items(), key=lambda pair: pair[1], reverse=True)
        return {line: score for line, score in best[:beams] if score > _worst(done)}

    def _stop_if_cancelled(self) -> None:
        if self.cancelled is not None and self.cancelled():
            raise Cancelled("the fill was cancelled")

    def _begin(self) -> tuple[Tree, tuple[int, ...], str, Tensor]:
        """A tree of all tokens of the head but the last: it, the path of them, the text of that
        last one, and the log-probabilities [1, V] of what stands there."""
        ids, piece = _without_last(self.tokenizer, self.prompt.texts[0])
        tree = Tree(self.causal, self.lead, self.profile.tokens.pad)
        known = [self.lead.token, *ids]
        paths, scores = tree.grow(known, [tuple(range(at)) for at in range(len(known))])
        return tree, paths[-1], piece, scores[-1:]

    def _fitting(self, left: str, state: int = START) -> Tensor:
        """[V], True for tokens that may be written where `left` is still to be written, and for the
        one that ends a fill where nothing is; in this `state` of the language."""
        fitting = self.texts.fitting(left)
        if self.language is not None:
            fitting = torch.zeros_like(fitting)
            fitting[self.language.step(state)[0].to(fitting.device)] = True
            if not self.language.may_end(state):
                return fitting
        if left or self.lead.end is None:
            return fitting
        return fitting.index_fill(0, torch.tensor(self.lead.end, device=fitting.device), True)

    def _rest(self) -> str:
        """What stands behind the gap on its line: a line goes on with it, or ends as a fill."""
        behind = self.prompt.seams[0].right + self.prompt.texts[-1]
        return LINE_BREAK.split(behind, maxsplit=1)[0].rstrip()


def _behind(
    tree: Tree, chains: Sequence[Hypothesis], tokens: Sequence[Sequence[int]]
) -> tuple[list[Hypothesis], Tensor]:
    """Each of `chains` with the `tokens` that its text ends with in the tree, and the
    log-probabilities [len(chains), V] of what follows it."""
    if not chains:
        return [], torch.empty(0)
    flat: list[int] = []
    parents: list[tuple[int, ...]] = []
    ends: list[int] = []
    for chain, ids in zip(chains, tokens, strict=True):
        path = chain.path
        for token in ids:
            parents.append(path)
            path = (*path, tree.size + len(flat))
            flat.append(token)
        ends.append(len(flat) - 1)
    paths, scores = tree.grow(flat, parents)
    grown = [replace(c, path=paths[at]) for c, at in zip(chains, ends, strict=True)]
    return grown, scores[ends]


def _worst(done: Mapping[str, float]) -> float:
    """The log-probability that is worth no more work, beside the lines that are `done`."""
    return max(FLOOR, max(done.values(), default=FLOOR) - MARGIN)


def _without_last(tokenizer: Tokenizer, text: str) -> tuple[list[int], str]:
    """The tokens of `text` but the last, and that one's text."""
    encoding = encoding_of(tokenizer, text)
    if not encoding.ids:
        return [], ""
    piece = last_piece(encoding, text)
    start = len(text) - len(piece)
    whole = next(at for at, (begin, _) in enumerate(encoding.offsets) if begin >= start)
    return encoding.ids[:whole], piece


def _likeliest(
    live: Sequence[Hypothesis], scores: Tensor, beams: int
) -> list[tuple[Hypothesis, int, float]]:
    """The likeliest next tokens of all hypotheses, likeliest first."""
    total = scores + torch.tensor([[h.score] for h in live], device=scores.device)
    # Twice as many: half of them may end their lines.
    best = total.flatten().topk(min(2 * beams, total.numel()))
    size = scores.shape[1]
    return [
        (live[at // size], at % size, score)
        for score, at in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        if score > FLOOR
    ]


def _total(scores: Iterable[float]) -> float:
    """The log-probability of any of several; of none, less than any."""
    return functools.reduce(_either, scores, -math.inf)


def _either(one: float, other: float) -> float:
    """log(e^one + e^other): one line may end in several tokens, each with its break."""
    high, low = max(one, other), min(one, other)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
