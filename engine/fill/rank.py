"""Ranking: how likely the causal pass finds a fill, and the text right after it.

A fill of the wrong length or a broken seam shows where the known suffix begins: its first tokens
become unlikely. Scoring middle and suffix together is the selection of PILL (facts on infilling,
section 2.1), in one batched pass because DiffusionGemma's encoder is itself a language model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

import torch
from tokenizers import Tokenizer

from engine.checkpoints.calibration import logistic
from engine.checkpoints.profile import FEATURES, Profile
from engine.fill.prompt import Lead, Prompt, encoding_of, last_piece
from engine.fill.structure import Faults
from engine.models.branches import Branches
from engine.models.family import Causal

TOTAL = 0.1  # of a log-probability, so that its weight is of the size of the others
NONE = Faults()
LONGEST_MATCH = 20  # characters; agreeing in more says no more
LONGEST_AROUND = 60  # ... of a proposal, whose match counts the lines above and below too
SUFFIX_CHARACTERS = 256  # more than the suffix tokens that count ever have


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Mean causal log-probability per token: of the holes and what lies between them, and of the
    first tokens of the suffix. None where there is no token.

    The middle begins with the last token before the first hole, `tokens` of them: a word broken off
    there may go on, and that it is broken off there has to be paid for too.
    """

    middle: float | None
    suffix: float | None
    tokens: int = 0

    def score(self, suffix_weight: float) -> float:
        """What there is stands in for what there is not: an empty middle must not pass for a
        certain one."""
        middle = self.suffix if self.middle is None else self.middle
        suffix = self.middle if self.suffix is None else self.suffix
        if middle is None or suffix is None:
            return 0.0
        return (1 - suffix_weight) * middle + suffix_weight * suffix


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a candidate: its likelihood; where it was looked up, the characters before it
    that agreed and how often it was found (0 if the model alone wrote it); how many candidates
    there were; whether it has several lines; how it fails to fit in (engine/fill/structure.py);
    and of one that the caller proposed (engine.api.Proposal), its match and times there."""

    likelihood: Likelihood
    match: int
    of: int
    times: int = 0
    faults: Faults = NONE
    is_block: bool = False
    proposed_match: int = 0
    proposed_times: int = 0

    def score(self, profile: Profile) -> float:
        """The rank score; higher is better."""
        if profile.ranking.weights:
            return _weighed(profile.ranking.weights, self.features())
        agreed = profile.ranking.match_weight * min(self._agreed, LONGEST_MATCH)
        return self.likelihood.score(profile.ranking.suffix_weight) + agreed

    def features(self) -> dict[str, float]:
        """What rank and calibration weigh: of engine.checkpoints.profile.FEATURES those that there
        is evidence for. A family without a causal pass has none of a likelihood."""
        found = {
            "constant": 1.0,
            "match": min(self._agreed, LONGEST_MATCH) / LONGEST_MATCH,
            "looked up": float(self._agreed > 0),
            "only one": float(self.of == 1),
            # What stands in another file is, before any weight of its own, as if found here once.
            "times found": math.log1p(max(self.times, min(self.proposed_times, 1))),
            "proposed": float(self.proposed_times > 0 and not self.times),
            "proposed match": min(self.proposed_match, LONGEST_AROUND) / LONGEST_AROUND,
            "proposed times": math.log1p(self.proposed_times),
            "surplus closers": float(min(self.faults.surplus, 2)),
            "unmatched brackets": float(min(self.faults.unmatched, 2)),
            "unopened": float(self.faults.unopened),
            "unfilled": float(self.faults.unfilled),
            "block": float(self.is_block),
        }
        middle, suffix = self.likelihood.middle, self.likelihood.suffix
        if suffix is not None:
            found |= {"middle": suffix, "suffix": suffix}  # one stands in for the other
        if middle is not None:
            # A line that stands elsewhere is no less likely for being long.
            counted = self.likelihood.tokens if not self._agreed else 0
            found |= {"middle": middle, "whole": TOTAL * counted * middle}
        return found

    @property
    def _agreed(self) -> int:
        return max(self.match, self.proposed_match)

    def vector(self) -> tuple[float, ...]:
        """The features in the order of FEATURES, 0 where there is no evidence."""
        found = self.features()
        return tuple(found.get(name, 0.0) for name in FEATURES)


def by_name(weights: Sequence[float]) -> dict[str, float]:
    """The weights of a vector of features by their names; none of none."""
    return dict(zip(FEATURES, weights, strict=True)) if weights else {}


def calibrated(weights: Mapping[str, float], evidence: Evidence) -> float:
    """The probability, by logistic regression, that a candidate with this evidence is exact."""
    return logistic(_weighed(weights, evidence.features()))


def _weighed(weights: Mapping[str, float], features: Mapping[str, float]) -> float:
    return sum(weights.get(name, 0.0) * features[name] for name in FEATURES if name in features)


@dataclass(frozen=True, slots=True)
class _Row:
    ids: list[int]
    middle: slice
    suffix: slice


@torch.no_grad()
def likelihoods(
    causal: Causal[Any],
    tokenizer: Tokenizer,
    profile: Profile,
    prompt: Prompt,
    middles: Sequence[str],
    lead: Lead,
) -> list[Likelihood]:
    """Score each of `middles` between the prompt's head and suffix, behind `lead`.

    Head, middle and suffix are encoded as one text, so that no seam shows. Behind a lead that has
    read what follows, the token that ends a fill stands for the suffix.
    """
    head = prompt.texts[0]
    # So begins the middle of every candidate at one character.
    begin = len(head) - len(last_piece(encoding_of(tokenizer, head), head))
    rows = [_row(tokenizer, profile, prompt, middle, lead, begin) for middle in middles]
    branches = Branches.of(
        [row.ids for row in rows], profile.tokens.pad, causal.grain, causal.device
    )
    # Only what is scored needs logits; the token at k is predicted at k - 1.
    first = min(row.middle.start for row in rows)
    at = [place for path in branches.paths for place in path[first:-1]]
    tokens = [token for row in rows for token in row.ids[first + 1 :]]
    per_token = iter(causal.score_branches(branches, lead.place, lead.context, at, tokens).tolist())
    scores = [list(islice(per_token, len(row.ids) - first - 1)) for row in rows]
    return [
        Likelihood(
            _mean(score[row.middle.start - first : row.middle.stop - first]),
            _mean(score[row.suffix.start - first : row.suffix.stop - first]),
            row.middle.stop - row.middle.start,
        )
        for score, row in zip(scores, rows, strict=True)
    ]


def _row(
    tokenizer: Tokenizer, profile: Profile, prompt: Prompt, middle: str, lead: Lead, begin: int
) -> _Row:
    head, suffix = prompt.texts[0], prompt.texts[-1] if lead.end is None else ""
    end = len(head) + len(middle)
    encoding = encoding_of(tokenizer, head + middle + suffix[:SUFFIX_CHARACTERS])
    offsets = encoding.offsets
    first = next((i for i, (_, to) in enumerate(offsets) if to > begin), len(offsets))
    after = next((i for i, (start, _) in enumerate(offsets) if start >= end), len(offsets))
    after = max(first, after)
    stop = min(len(offsets), after + profile.ranking.scored_suffix_tokens)
    ids = [lead.token, *encoding.ids[:stop]]
    if lead.end is not None:
        ids.append(lead.end)
        stop += 1
    # per_token[k] is the probability of row token k + 1, which is text token k.
    return _Row(ids, slice(first, after), slice(after, stop))


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
