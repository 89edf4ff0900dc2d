"""Ranking against the same numbers computed slowly, and with a model that has a preference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.checkpoints.profile import FEATURES, Profile
from engine.fill.prompt import build_prompt, encode, lead_of
from engine.fill.rank import Evidence, Likelihood, by_name, likelihoods
from engine.fill.structure import Faults
from engine.models.branches import Branches
from engine.models.diffusion_gemma import KVCache
from engine.training.export import default_profile


def profile_of(tiny: Any, **changes: Any) -> Profile:
    return default_profile(tiny.settings).but(**changes)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    before: str
    after: str
    middles: tuple[str, ...]
    suffix_tokens: int = 8
    bos: int | None = 2


CASES = [
    Case("a line", "import os\ndef f(x):\n    return ", "\n\nf(1)\n", ("x + 1", "os.path", "x")),
    Case("in a word", "def f(x):\n    pri", "(x)\n", ("nt", "vate_number", "")),
    Case("at the start", "", "\nimport os\n", ("import re", "", "x")),
    Case("without <bos>, at the start", "", "\nimport os\n", ("import re", "y"), bos=None),
    Case("at the end", "x = 1\ny = ", "", ("2", "x + x", "")),
    Case("an empty file", "", "", ("x", "y = 1")),
    Case("few suffix tokens", "x = 1\ny = ", "\nz = 3\n", ("2", "x"), suffix_tokens=2),
    Case("emoji", 'x = 1\ny = "🦀', '"\nz = "🦀"\n', ("🦀🦀", "é", "\ud83d")),
    Case("several lines", "def f():\n    ", "\nf()\n", ("x = 1\n    return x", "pass")),
    Case("one candidate", "x = 1\ny = ", "\n", ("2",)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_as_computed_one_by_one(case: Case, tiny: Any) -> None:
    """Each candidate alone and from scratch: the whole text through the model, no cache."""
    profile = profile_of(tiny, scored_suffix_tokens=case.suffix_tokens, bos=case.bos)
    prompt = build_prompt((case.before, case.after), tiny.tokenizer, profile)
    cache = tiny.model.encode(torch.tensor(prompt.ids, dtype=torch.long))
    lead = lead_of(prompt, profile, cache, tiny.model, 0)
    ranked = likelihoods(tiny.model, tiny.tokenizer, profile, prompt, case.middles, lead)
    assert cache.length == len(prompt.ids)
    for middle, found in zip(case.middles, ranked, strict=True):
        lead = prompt.ids or [
            profile.tokens.bos if profile.tokens.bos is not None else profile.tokens.pad
        ]
        # Tokens begin where text does, but where two texts share one.
        encoding = tiny.tokenizer.encode(
            (prompt.texts[0] + middle + case.after).replace("\ud83d", "\ufffd"),
            add_special_tokens=False,
        )
        head = tiny.tokenizer.encode(
            prompt.texts[0].replace("\ud83d", "\ufffd"), add_special_tokens=False
        )
        start = head.offsets[-1][0] if head.offsets else len(prompt.texts[0])
        end = len(prompt.texts[0] + middle)
        log_p = tiny.model.score(torch.tensor([lead + encoding.ids]))[0].log_softmax(-1)
        middles, suffixes = [], []
        for at, (first, after) in enumerate(encoding.offsets):
            value = float(log_p[len(lead) + at - 1, encoding.ids[at]])
            if first >= end:
                suffixes.append(value)
            elif after > start:
                middles.append(value)
        check(found.middle, middles)
        assert found.tokens == len(middles)
        check(found.suffix, suffixes[: case.suffix_tokens])


def check(found: float | None, values: list[float]) -> None:
    if not values:
        assert found is None
    else:
        assert found == pytest.approx(sum(values) / len(values), abs=1e-4)


@pytest.mark.parametrize(
    ("likelihood", "expected"),
    [
        (Likelihood(-1.0, -3.0), -1.5),
        (Likelihood(None, -3.0), -3.0),  # an empty middle is not a certain one
        (Likelihood(-1.0, None), -1.0),
        (Likelihood(None, None), 0.0),
    ],
)
def test_score(likelihood: Likelihood, expected: float) -> None:
    assert likelihood.score(0.25) == expected


@dataclass
class Reader:
    """A model that has read one text: it expects what followed there, and nothing else."""

    known: list[int]
    size: int
    device: str = "cpu"
    grain: int = 32

    def score_branches(
        self,
        branches: Branches,
        place: int,
        cache: KVCache,
        at: Sequence[int],
        tokens: Sequence[int],
    ) -> Tensor:
        logits = torch.zeros(len(branches.ids), self.size)
        for before, after in zip(self.known, self.known[1:], strict=False):
            logits[..., after] += 4.0 * (branches.ids == before)
        return logits.log_softmax(dim=-1)[at, tokens]


TRUE = "a = first(b)"
WRONG = [
    ("another word", "a = second(b)"),
    ("a word is missing", "a = (b)"),
    ("a bracket too many", "a = first(b))"),
    ("too short", "a = first("),
    ("repeats the suffix", "a = first(b)\nreturn a"),
    ("nothing", ""),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=[name for name, _ in WRONG])
def test_what_is_true_beats_what_is_corrupted(name: str, wrong: str, tiny: Any) -> None:
    before, after = "import q\ndef g(b):\n    ", "\n    return a\n"
    profile = profile_of(tiny)
    prompt = build_prompt((before, after), tiny.tokenizer, profile)
    known = encode(tiny.tokenizer, before + TRUE + after)
    model: Any = Reader(known, tiny.model.config.vocab_size)
    lead = lead_of(prompt, profile, tiny.model.encode(torch.tensor([1])), tiny.model, 0)
    found = likelihoods(model, tiny.tokenizer, profile, prompt, [wrong, TRUE], lead)
    scores = [each.score(profile.ranking.suffix_weight) for each in found]
    assert scores[1] > scores[0]


@pytest.mark.parametrize("after", ["\ny = 1\n", ""], ids=["something follows", "nothing follows"])
def test_a_model_that_reads_ahead_is_asked_where_the_fill_ends(tiny: Any, after: str) -> None:
    """As one pass over all of it, each token at its place and seeing those that were read before
    it."""
    profile = profile_of(tiny, fill_end=11)
    prompt = build_prompt(("import os\nx = ", after), tiny.tokenizer, profile)
    cache = tiny.model.encode(torch.tensor(prompt.ids))
    lead = lead_of(prompt, profile, cache, tiny.model, 20)
    (found,) = likelihoods(tiny.model, tiny.tokenizer, profile, prompt, ["os"], lead)

    head = prompt.texts[0]
    written = [*encode(tiny.tokenizer, head + "os"), 11]
    ahead = [*prompt.suffix, profile.tokens.eos]
    known = len(prompt.ids) - 1
    ids = torch.tensor([*ahead, prompt.ids[-1], *written])
    places = [*range(known), *(known + 1 + 20 + at for at in range(len(ahead)))]
    places += [known + at for at in range(len(written) + 1)]
    sees = torch.ones(len(ids), known + len(ids), dtype=torch.bool).tril(known)
    logits, _ = tiny.model.score_tree(ids, torch.tensor(places), sees, cache.crop(known))
    log_p = logits.log_softmax(-1)
    assert found.suffix == pytest.approx(float(log_p[-2, 11]), abs=1e-4)
    scored = len(written) - 1 - (len(encode(tiny.tokenizer, head)) - 1)
    middle = log_p[-2 - scored : -2].gather(1, ids[-1 - scored : -1, None])
    assert found.middle == pytest.approx(float(middle.mean()), abs=1e-4)


def test_fitted_weights_rank_instead_of_the_formula(tiny: Any) -> None:
    likely = Evidence(Likelihood(-1.0, -1.0), match=0, of=2)
    found = Evidence(Likelihood(-3.0, -3.0), match=8, of=2, times=2)
    formula = profile_of(tiny, match_weight=0.0)
    assert likely.score(formula) > found.score(formula)
    weights = (0.0, 0.1, 0.1, 3.0, 0.0, 0.0, 2.0, -1.0, *[0.0] * 8)
    fitted = formula.but(weights=by_name(weights))
    assert found.score(fitted) > likely.score(fitted)
    assert found.score(fitted) > replace(found, faults=Faults(surplus=2)).score(fitted)
    assert set(found.features()) == set(FEATURES)


@pytest.mark.parametrize(
    ("likelihood", "lacks"),
    [
        (Likelihood(None, None), {"middle", "suffix", "whole"}),  # a family without a causal pass
        (Likelihood(None, -1.0), {"whole"}),  # an empty fill: the suffix stands in for it
        (Likelihood(-1.0, None, 3), {"suffix"}),  # nothing behind the gap
    ],
)
def test_evidence_that_is_not_there_is_left_out_by_name(
    likelihood: Likelihood, lacks: set[str]
) -> None:
    evidence = Evidence(likelihood, 0, 2)
    assert set(FEATURES) - evidence.features().keys() == lacks
    assert len(evidence.vector()) == len(FEATURES)
    assert all(evidence.vector()[FEATURES.index(name)] == 0.0 for name in lacks)


def test_what_was_written_pays_for_every_token_and_what_was_found_does_not(tiny: Any) -> None:
    fitted = profile_of(tiny).but(weights=dict.fromkeys(FEATURES, 0.0) | {"whole": 1.0})
    short, long = (
        Evidence(Likelihood(-1.0, -1.0, 2), 0, 2),
        Evidence(Likelihood(-1.0, -1.0, 9), 0, 2),
    )
    assert short.score(fitted) > long.score(fitted)
    assert replace(short, match=3).score(fitted) == replace(long, match=3).score(fitted)


def test_what_another_file_says_counts_as_if_found_here_once(tiny: Any) -> None:
    likelihood = Likelihood(-1.0, -1.0, 3)
    proposed = Evidence(likelihood, 0, 2, proposed_match=70, proposed_times=9).features()
    found = Evidence(likelihood, 20, 2, times=1).features()
    own = ("proposed", "proposed match", "proposed times")
    assert {name: n for name, n in proposed.items() if name not in own} == {
        name: n for name, n in found.items() if name not in own
    }
    assert [proposed[name] for name in own] == [1.0, 1.0, math.log1p(9)]
    assert [found[name] for name in own] == [0.0, 0.0, 0.0]
    both = Evidence(likelihood, 4, 2, times=2, proposed_match=6, proposed_times=9).features()
    assert both["proposed"] == 0.0  # it stands in the file as well
    assert both["times found"] == math.log1p(2)
