"""Candidate fills: what the canvases say, what was looked up, and which of them is the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from engine.api import FillRequest, Shape
from engine.checkpoints.calibration import probability_of_a_line
from engine.checkpoints.profile import Profile
from engine.denoise.canvas import fill_hole
from engine.denoise.loop import Step
from engine.fill.drafts import UNFINISHED, read_text
from engine.fill.lookup import Found, look_up, look_up_block, repeats_below
from engine.fill.prompt import Prompt, encode
from engine.fill.rank import Evidence, Likelihood, calibrated
from engine.fill.structure import LINE_BREAK, Surroundings, woven

MOST_PROPOSALS = 16  # each costs the ranking a few tokens
BROKEN = -1e3  # the score of having no candidate: worse than any log-probability

Scorer = Callable[[Sequence[str]], list[Likelihood]]
Texts = tuple[str, ...]  # one per hole, with the pieces that its seam took


@dataclass(frozen=True, slots=True)
class Candidate:
    """The text of each hole and its rank score, what spoke for it, and the log-probability of the
    whole of it under the last denoising step (None for one that was looked up)."""

    texts: tuple[str, ...]
    score: float
    evidence: Evidence
    log_probability: float | None

    def confidence(self, profile: Profile) -> float:
        """How likely the whole fill is exactly right, 0..1. Without a calibration it only rises
        with the probability of a line (engine/checkpoints/calibration.py), and nothing speaks for a
        text that has none.

        The calibration is fitted to fills of one hole; of several, each has to be right.
        """
        if profile.ranking.calibration:
            return calibrated(profile.ranking.calibration, self.evidence) ** len(self.texts)
        return self.probability_of_a_line()

    def probability_of_a_line(self) -> float:
        """By the model's likelihood of the whole of it, where it has one; 0 for nothing."""
        likelihood, whole = self.evidence.likelihood, self.log_probability
        if likelihood.middle is not None:
            whole = likelihood.middle * likelihood.tokens
        lines = sum(bool(line.strip()) for text in self.texts for line in text.splitlines())
        if whole is None or not lines:
            return 0.0
        return probability_of_a_line(whole, lines)


def read_candidates(tokenizer: Tokenizer, last: Step, slack: int | None) -> dict[Texts, float]:
    """What was written on the canvases, with its log-probability; of equal texts the likeliest, and
    none with half a character in it."""
    found: dict[Texts, float] = {}
    tokens, log_p = last.tokens.tolist(), last.probability.log().tolist()
    for row in range(len(tokens)):
        spans = last.spans(row)
        texts = tuple(
            read_text(tokenizer, fill_hole(tokens[row][start:end], slack)) for start, end in spans
        )
        if not any(UNFINISHED in text for text in texts):
            total = sum(log_p[row][: spans[-1][1]])
            found[texts] = max(total, found.get(texts, total))
    return found


def look_up_candidates(
    request: FillRequest, shape: Shape, prompt: Prompt, tokenizer: Tokenizer
) -> dict[Texts, Found]:
    """The rest of a line, or a block, as it stands elsewhere in the text or was proposed, and how
    it was found."""
    elsewhere = [snippet.text for snippet in request.context]
    look = look_up if shape is Shape.LINE else look_up_block
    found = {each.text: each for each in look(request.texts[0], request.texts[1], elsewhere)}
    for each in request.proposals[:MOST_PROPOSALS]:
        known = found.get(each.text, Found(each.text, 0, 0))
        found[each.text] = replace(known, proposal=each)
    seam = prompt.seams[0]
    return {
        (seam.left + text + seam.right,): each
        for text, each in found.items()
        if len(encode(tokenizer, text)) <= request.max_tokens
        and not (shape is Shape.LINE and LINE_BREAK.search(text))
    }


def rank_candidates(
    profile: Profile,
    prompt: Prompt,
    written: Mapping[Texts, float],
    matches: Mapping[Texts, Found],
    around: Surroundings,
    score: Scorer | None,
    *,
    is_free: bool = True,
) -> list[Candidate]:
    """What was `written` and what was looked up, each once, best first; never none at all, and
    where holes are free, nothing that repeats the line below it.

    `around` is what stands around the holes; `score` gives likelihoods of texts in their place,
    None where a model has none.
    """
    head, suffix = prompt.texts[0], prompt.texts[-1]
    found = [
        texts
        for texts in dict.fromkeys([*written, *matches])
        if not is_free or len(texts) > 1 or not repeats_below(head + texts[0], suffix)
    ]
    if not found:
        nothing = Evidence(Likelihood(None, None), 0, 0)
        return [Candidate(("",) * len(prompt.seams), BROKEN, nothing, None)]
    middles = [woven(texts, prompt.texts[1:-1]) for texts in found]
    scores = [Likelihood(None, None)] * len(middles) if score is None else score(middles)
    nowhere = Found("", 0, 0)
    candidates = []
    for texts, middle, likelihood in zip(found, middles, scores, strict=True):
        where = matches.get(texts, nowhere)
        cut = tuple(seam.cut(text) for seam, text in zip(prompt.seams, texts, strict=True))
        faults, is_block = around.faults(cut), LINE_BREAK.search(middle) is not None
        evidence = Evidence(likelihood, where.match, len(middles), where.times, faults, is_block)
        if where.proposal is not None:
            match, times = where.proposal.match, where.proposal.times
            evidence = replace(evidence, proposed_match=match, proposed_times=times)
        candidate = Candidate(cut, evidence.score(profile), evidence, written.get(texts))
        candidates.append(candidate)
    return sorted(candidates, key=lambda candidate: candidate.score, reverse=True)
