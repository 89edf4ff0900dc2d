"""Ranking without a causal pass, against the same numbers computed token by token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import pytest
import torch

from engine.fill.infill import LocalEngine
from engine.fill.load import load_engine
from engine.fill.prompt import Prompt, build_prompt, encoding_of
from engine.fill.pseudo_likelihood import pseudo_likelihoods
from engine.models.family import Look
from tests.engine.models import tiny_dream
from tests.engine.models.tiny_dream import BOS, DREAM, EOS, MASK

MANY = 40  # rows: more than a candidate has tokens, so that each is masked alone


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> LocalEngine:
    folder = tiny_dream.write(tmp_path_factory.mktemp("models") / "dream", DREAM)
    return load_engine(str(folder), "cpu")


CASES = [
    ("a line", "import os\nx = ", "\ny = 1\n", ("os.path", "os", "1")),
    ("in a word", "import os\npri", "(x)\n", ("nt", "vate")),
    ("nothing after it", "x = 1\ny = ", "", ("x", "x + 1")),
    ("nothing in it", "x = 1\n", "y = 2\n", ("", "z = 3\n")),
    ("at the start", "", "\nimport os\n", ("import re",)),
]


@pytest.mark.parametrize("passes", [1, 2, MANY])
@pytest.mark.parametrize(("name", "before", "after", "middles"), CASES, ids=[c[0] for c in CASES])
def test_as_computed_row_by_row(
    name: str, before: str, after: str, middles: tuple[str, ...], passes: int, engine: LocalEngine
) -> None:
    profile = DREAM.but(pseudo_likelihood=passes, heal=False)
    prompt = build_prompt((before, after), engine.tokenizer, profile)
    context = engine.model.encode(torch.tensor(prompt.ids, dtype=torch.long))
    found = pseudo_likelihoods(
        engine.model, engine.tokenizer, profile, prompt, middles, context, {}
    )  # fmt: skip
    for middle, likelihood in zip(middles, found, strict=True):
        values, inside = by_hand(engine, prompt, middle, after, passes)
        assert likelihood.tokens == inside
        check(likelihood.middle, values[:inside])
        check(likelihood.suffix, values[inside:])


def by_hand(
    engine: LocalEngine, prompt: Prompt, middle: str, after: str, passes: int
) -> tuple[list[float], int]:
    """The log-probabilities of the middle's tokens and the first three after it, each text alone in
    a look without padding; how many are the middle's."""
    head = prompt.texts[0]
    encoding = encoding_of(engine.tokenizer, head + middle + after)
    pieces = encoding_of(engine.tokenizer, head).offsets
    begin, end = pieces[-1][0] if pieces else 0, len(head) + len(middle)
    first = next((i for i, (_, to) in enumerate(encoding.offsets) if to > begin), 0)
    if not encoding.ids or begin == len(head) + len(middle) + len(after):
        return [], 0
    inside = [i for i, (at, _) in enumerate(encoding.offsets) if i >= first and at < end]
    scored = list(range(first, min(len(encoding.ids), first + len(inside) + 3)))
    ids = [*encoding.ids, EOS]
    values: dict[int, float] = {}
    for offset in range(passes):
        places = scored[offset::passes]
        if places:
            canvas = torch.tensor([ids])
            canvas[0, places] = MASK
            context = engine.model.encode(torch.tensor(prompt.ids or [], dtype=torch.long))
            look = Look(canvas, context, torch.tensor([places]))
            log_p = engine.model.look([look])[0][0].log_softmax(-1)
            for row, place in enumerate(places):
                values[place] = float(log_p[row, ids[place]])
    return [values[place] for place in scored], len(inside)


def check(found: float | None, values: Sequence[float]) -> None:
    if not values:
        assert found is None
    else:
        assert found == pytest.approx(fmean(values), abs=0.03)  # weights are in bfloat16


def test_it_ranks_where_the_profile_says_so(tmp_path: Path) -> None:
    from tests.engine.fill.test_masked_fills import LINE

    profile = DREAM.but(pseudo_likelihood=2)
    engine = load_engine(str(tiny_dream.write(tmp_path / "dream", profile)), "cpu")
    rolled = engine.roll(LINE)
    assert rolled is not None
    scores = [each.score for each in rolled.candidates]
    assert scores == sorted(scores, reverse=True)
    assert all("middle" in each.evidence.features() for each in rolled.candidates)
    # Looked up or written, each has a confidence, and a likelier text of a line has more of it.
    ranked = sorted(
        rolled.candidates,
        key=lambda each: (each.evidence.likelihood.middle or 0.0) * each.evidence.likelihood.tokens,
    )
    confidences = [each.confidence(engine.profile) for each in ranked]
    assert confidences == sorted(confidences)
    assert engine.profile.tokens.bos == BOS
