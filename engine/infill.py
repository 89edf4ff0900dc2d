"""A request in, the best of several candidate fills out."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from engine.api import (
    Alternative,
    BadRequest,
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    IsCancelled,
    OnDraft,
    Shape,
    Span,
)
from engine.canvas import Canvas, Layout, fill_hole, lay_out
from engine.chat_prompt import build_chat_prompt
from engine.checkpoints import catalog
from engine.denoise import Denoising, Step, denoise
from engine.drafts import UNFINISHED, cut_spans, read_spans, read_text
from engine.lookup import look_up
from engine.models import load_model
from engine.models.diffusion_gemma import DiffusionGemma, KVCache
from engine.prefix_cache import PrefixCaches
from engine.profile import Profile, read_profile
from engine.prompt import Prompt, build_prompt, encode, far_apart
from engine.rank import Evidence, Likelihood, calibrated, likelihoods
from engine.sampler import Seeded
from engine.seams import Vocabulary
from engine.tokenizer import read_tokenizer

EMBEDDED = Path(__file__).parent / "embedded"
LINE_BREAK = re.compile(r"[\r\n]")
BROKEN = -1e3  # the score of having no candidate: worse than any log-probability


def load_engine(model: str = "embedded", device: str | None = None) -> LocalEngine:
    """The engine of a model: "embedded", a pulled one's name, or a folder in Hugging Face layout.

    Raises ModelMissing when there is no such model or its files are no use.
    """
    folder = EMBEDDED if model == catalog.EMBEDDED else catalog.folder_of(model)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return LocalEngine(
        load_model(folder, chosen, _dtype(chosen)),
        read_tokenizer(folder / "tokenizer.json"),
        read_profile(folder),
        EngineInfo(model=model, device=chosen),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """The text of each hole and its rank score, what spoke for it, and the log-probability of the
    whole of it under the last denoising step (None for one that was looked up)."""

    texts: tuple[str, ...]
    score: float
    evidence: Evidence
    certainty: float | None


@dataclass(frozen=True, slots=True)
class Rolled:
    """Candidates, best first, and what they cost."""

    candidates: list[Candidate]
    steps: int
    canvas_tokens: int


class LocalEngine:
    """Fills holes with a model in this process. One fill at a time."""

    def __init__(
        self, model: DiffusionGemma, tokenizer: Tokenizer, profile: Profile, info: EngineInfo
    ) -> None:
        self.model, self.tokenizer, self.profile = model, tokenizer, profile
        self._info = info
        self._prefixes = PrefixCaches(model)
        texts = _token_texts(tokenizer, model.config.vocab_size, profile)
        breaks = [bool(text and LINE_BREAK.search(text)) for text in texts]
        self._breaks = torch.tensor(breaks, device=model.device)
        self._special = torch.tensor([text is None for text in texts], device=model.device)
        if profile.slack is not None:
            self._special[profile.slack] = False
        self._vocabulary = None
        if profile.heal:
            # A line break that came with a healed piece would make a line of a hole two.
            whole = [
                None if broken or (text and UNFINISHED in text) else text
                for text, broken in zip(texts, breaks, strict=True)
            ]
            self._vocabulary = Vocabulary(whole)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Fill:
        started = time.perf_counter()
        self._prefixes.turn_to(window)
        fill = self._fill(request, on_draft, cancelled)
        return replace(fill, seconds=time.perf_counter() - started)

    def _fill(
        self, request: FillRequest, on_draft: OnDraft | None, cancelled: IsCancelled | None
    ) -> Fill:
        rolled = self.roll(request, on_draft, cancelled)
        if rolled is None:
            return self._one_by_one(request, on_draft, cancelled)
        return self.fill_of(rolled)

    def fill_of(self, rolled: Rolled) -> Fill:
        """The best candidate as a Fill, its time left at 0."""
        best = rolled.candidates[0]
        return Fill(
            texts=best.texts,
            confidence=self._confidence(best),
            steps=rolled.steps,
            canvas_tokens=rolled.canvas_tokens,
            seconds=0.0,
            alternatives=tuple(
                Alternative(candidate.texts, candidate.score) for candidate in rolled.candidates
            ),
        )

    def roll(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Rolled | None:
        """The holes filled on one canvas, begun anew where it came back empty and the profile says
        so; None where they do not fit on one."""
        if far_apart(request.texts, self.profile):
            return None
        prompt = self._prompt(request)
        shape = request.shape if request.shape is not Shape.AUTO else guess_shape(request.texts)
        drafts = self._draft_ids(request, prompt)
        layouts = self._layouts(prompt, self._lengths(request, prompt, shape, drafts))
        if not layouts:
            if request.holes == 1:
                canvas = self.profile.canvas_tokens
                raise BadRequest(f"what is beside the gap leaves no room on a canvas of {canvas}")
            return None
        cache = self._prefixes.encode(prompt.ids)
        steps = 0
        candidates: list[Candidate] = []
        for roll in range(1 + self.profile.rerolls):
            last, candidates = self._roll(
                replace(request, seed=request.seed + roll),
                *(prompt, shape, drafts, layouts, cache, on_draft, cancelled),
            )
            steps += last.number
            if any(text.strip() for text in candidates[0].texts):
                break
        return Rolled(candidates, steps, sum(layout.width for layout in layouts))

    def _roll(
        self,
        request: FillRequest,
        prompt: Prompt,
        shape: Shape,
        drafts: list[list[int]],
        layouts: list[Layout],
        cache: KVCache,
        on_draft: OnDraft | None,
        cancelled: IsCancelled | None,
    ) -> tuple[Step, list[Candidate]]:
        """The canvases from noise to ranked candidates, once."""
        settings = self._settings(request)
        draws = self._draws(request.seed)
        canvas = Canvas.of(layouts, self.model.device)
        canvas = canvas.write(draws.ids(*canvas.places.shape))
        canvas = self._warm(canvas, layouts, drafts)
        banned = self._banned(shape, prompt, layouts, canvas)

        def show(step: Step) -> None:
            if on_draft is not None:
                on_draft(self._draft(layouts, canvas, step, settings.steps, prompt))

        last = denoise(self.model, cache, canvas, settings, draws, banned, show, cancelled)
        matches = self._look_up(request, prompt, shape)
        return last, self._rank(prompt, layouts, last, cache, matches)

    def _prompt(self, request: FillRequest) -> Prompt:
        tokenizer, profile, vocabulary = self.tokenizer, self.profile, self._vocabulary
        if profile.style == "chat":
            return build_chat_prompt(request, tokenizer, profile, vocabulary)
        return build_prompt(request.texts, tokenizer, profile, vocabulary)

    def _lengths(
        self, request: FillRequest, prompt: Prompt, shape: Shape, drafts: list[list[int]]
    ) -> list[int]:
        """How many new tokens a hole may hold, one number per candidate, rising.

        The profile's lengths, as far as the request allows and the canvas has room. None where
        several holes are so far apart that even the shortest length does not fit.
        """
        profile = self.profile
        known = sorted(profile.line_tokens if shape is Shape.LINE else profile.block_tokens)
        pinned = sum(map(len, [prompt.head, *prompt.between]))
        healed = sum(seam.tokens for seam in prompt.seams)
        room = (profile.canvas_tokens - pinned - healed) // request.holes
        limit = min(request.max_tokens, room)
        if limit < (1 if request.holes == 1 else min(request.max_tokens, known[0])):
            return []
        lengths = [n for n in known if n <= limit] or [limit]
        count = len(lengths) + 1 if request.candidates is None else request.candidates
        if drafts:
            longest = max(
                len(ids) - seam.tokens for ids, seam in zip(drafts, prompt.seams, strict=True)
            )
            longest = max(1, min(limit, longest))  # of a longer draft, what fits
            exact = {longest} if profile.slack is None else set()
            return sorted(n for n in {*lengths, *exact} if n >= longest)[:count] or [longest]
        if profile.slack is not None:
            return lengths[-count:]  # slack makes a short fill of a long hole
        count = min(count, len(lengths))
        return [lengths[(2 * i + 1) * len(lengths) // (2 * count)] for i in range(count)]

    def _layouts(self, prompt: Prompt, lengths: Sequence[int]) -> list[Layout]:
        """The candidates of these `lengths`, which are known to fit."""
        layouts = [
            lay_out(
                prompt.head,
                prompt.between,
                prompt.suffix,
                [length + seam.tokens for seam in prompt.seams],
                self.profile.canvas_tokens,
                eos=self.profile.eos,
                pad=self.profile.pad,
                end_of_text=prompt.end_of_text,
            )
            for length in lengths
        ]
        return [layout for layout in layouts if layout is not None]

    def _one_by_one(
        self, request: FillRequest, on_draft: OnDraft | None, cancelled: IsCancelled | None
    ) -> Fill:
        """Holes too far apart for one canvas: each in its turn, with those before it filled."""
        done: list[str] = []
        fills: list[Fill] = []
        texts = request.texts
        for index in range(request.holes):
            before = "".join(text + fill for text, fill in zip(texts, done, strict=False))
            part = replace(
                request,
                texts=(before + texts[index], "".join(texts[index + 1 :])),
                draft=None if request.draft is None else (request.draft[index],),
            )

            def show(draft: Draft, index: int = index) -> None:
                if on_draft is not None:
                    rest = request.holes - index - 1
                    spans = ((),) * index + draft.confidence + ((),) * rest
                    filled = (*done, *draft.texts, *[""] * rest)
                    on_draft(replace(draft, texts=filled, confidence=spans))

            fills.append(self._fill(part, show, cancelled))
            done.append(fills[-1].texts[0])
        score = sum(fill.alternatives[0].score for fill in fills) / len(fills)
        return Fill(
            texts=tuple(done),
            confidence=math.prod(fill.confidence for fill in fills),
            steps=sum(fill.steps for fill in fills),
            canvas_tokens=sum(fill.canvas_tokens for fill in fills),
            seconds=0.0,
            alternatives=(Alternative(tuple(done), score),),
        )

    def _settings(self, request: FillRequest) -> Denoising:
        profile = self.profile
        steps = profile.steps if request.steps is None else min(request.steps, profile.steps)
        return Denoising(
            steps=steps,
            t_max=profile.t_max,
            t_min=profile.t_min,
            entropy_bound=profile.entropy_bound,
            confidence_threshold=profile.confidence_threshold,
            stability_threshold=profile.stability_threshold,
            slack=profile.slack,
            order=profile.order,
            greedy=profile.greedy,
            quota=profile.quota,
            self_conditioning=profile.self_conditioning,
        )

    def _draws(self, seed: int) -> Seeded:
        device = self.model.device
        pool = self.profile.noise
        return Seeded(
            self.model.config.vocab_size,
            device,
            torch.Generator(device).manual_seed(seed),
            None if pool is None else torch.tensor(pool, device=device),
        )

    def _banned(
        self, shape: Shape, prompt: Prompt, layouts: Sequence[Layout], canvas: Canvas
    ) -> Tensor:
        """What may not be written: [V] everywhere, or [B, M, V] where seams heal."""
        banned = self._special | self._breaks if shape is Shape.LINE else self._special
        if self._vocabulary is None or not any(seam.tokens for seam in prompt.seams):
            return banned
        places = banned.expand(*canvas.places.shape, -1).clone()
        for row, layout in enumerate(layouts):
            for (start, end), seam in zip(spans_of_holes(layout), prompt.seams, strict=True):
                if seam.left:
                    places[row, start] |= _all_but(self._vocabulary.beginning(seam.left), banned)
                if seam.right:
                    places[row, end - 1] |= _all_but(self._vocabulary.ending(seam.right), banned)
        return places

    def _draft_ids(self, request: FillRequest, prompt: Prompt) -> list[list[int]]:
        """The tokens of each hole's draft, with the pieces that seams took; empty without one."""
        return [
            encode(self.tokenizer, seam.left + text + seam.right)
            for text, seam in zip(request.draft or (), prompt.seams, strict=False)
        ]

    def _warm(
        self, canvas: Canvas, layouts: Sequence[Layout], drafts: Sequence[list[int]]
    ) -> Canvas:
        """The holes begin with the draft's tokens, then slack; noise where there is neither."""
        tokens = canvas.read()
        slack = self.profile.slack
        for row, layout in enumerate(layouts):
            for (start, end), ids in zip(spans_of_holes(layout), drafts, strict=False):
                known = ids[: end - start]
                if slack is not None:
                    known = known + [slack] * (end - start - len(known))
                tokens[row, start : start + len(known)] = torch.tensor(known, device=tokens.device)
        return canvas.write(tokens)

    def _draft(
        self, layouts: Sequence[Layout], canvas: Canvas, step: Step, of: int, prompt: Prompt
    ) -> Draft:
        """The candidate that is surest so far."""
        sure = step.probability.log().masked_fill(~canvas.real, 0.0).sum(-1)
        row = int((sure / canvas.real.sum(-1)).argmax())
        tokens, certainty = step.tokens[row].tolist(), step.probability[row].tolist()
        texts: list[str] = []
        spans: list[tuple[Span, ...]] = []
        for here, seam in zip(spans_of_holes(layouts[row]), prompt.seams, strict=True):
            kept = [at for at in range(*here) if tokens[at] != self.profile.slack]
            text, parts = read_spans(
                self.tokenizer, [tokens[at] for at in kept], [certainty[at] for at in kept]
            )
            texts.append(seam.cut(text))
            spans.append(cut_spans(parts, len(seam.left), len(text) - len(seam.right)))
        return Draft(tuple(texts), step.number, of, tuple(spans))

    def _rank(
        self,
        prompt: Prompt,
        layouts: Sequence[Layout],
        last: Step,
        cache: KVCache,
        matches: Mapping[tuple[str, ...], int],
    ) -> list[Candidate]:
        """Distinct candidates, those of `matches` too, best first; one with half a character in it
        is none."""
        certainty: dict[tuple[str, ...], float | None] = {}
        tokens, log_p = last.tokens.tolist(), last.probability.log().tolist()
        for row, layout in enumerate(layouts):
            holes = spans_of_holes(layout)
            texts = tuple(
                read_text(self.tokenizer, fill_hole(tokens[row][slice(*at)], self.profile.slack))
                for at in holes
            )
            if any(UNFINISHED in text for text in texts):
                continue
            sure = sum(log_p[row][: holes[-1][1]])
            known = certainty.get(texts)
            certainty[texts] = sure if known is None else max(sure, known)
        found = list(certainty | dict.fromkeys(matches))
        if not found:
            nothing = Evidence(Likelihood(None, None), 0, 0)
            return [Candidate(("",) * len(prompt.seams), BROKEN, nothing, None)]
        middles = [
            texts[0]
            + "".join(
                between + text for between, text in zip(prompt.texts[1:-1], texts[1:], strict=True)
            )
            for texts in found
        ]
        scores = likelihoods(self.model, self.tokenizer, self.profile, prompt, middles, cache)
        candidates = []
        for texts, likelihood in zip(found, scores, strict=True):
            evidence = Evidence(likelihood, matches.get(texts, 0), len(middles))
            candidates.append(
                Candidate(
                    tuple(seam.cut(text) for seam, text in zip(prompt.seams, texts, strict=True)),
                    evidence.score(self.profile),
                    evidence,
                    certainty.get(texts),
                )
            )
        return sorted(candidates, key=lambda candidate: candidate.score, reverse=True)

    def _look_up(
        self, request: FillRequest, prompt: Prompt, shape: Shape
    ) -> dict[tuple[str, ...], int]:
        """Drafts for the rest of a line from the text itself, with the length of their match, and
        like those of the model with the pieces that the seam took."""
        if not self.profile.lookup or request.holes > 1 or shape is not Shape.LINE:
            return {}
        elsewhere = [snippet.text for snippet in request.context]
        found = look_up(request.texts[0], request.texts[1], elsewhere)
        seam = prompt.seams[0]
        return {
            (seam.left + each.text + seam.right,): each.match
            for each in found
            if len(encode(self.tokenizer, each.text)) <= request.max_tokens
            and not LINE_BREAK.search(each.text)
        }

    def _confidence(self, best: Candidate) -> float:
        """How likely the whole fill is exactly right, 0..1."""
        weights = self.profile.calibration
        if weights:
            return calibrated(weights, best.evidence)
        return math.exp(best.certainty) if best.certainty is not None else 0.0


def _dtype(device: str) -> torch.dtype:
    """bfloat16 where the device multiplies it natively, float32 on a CPU that does not."""
    native = device != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def guess_shape(texts: tuple[str, ...]) -> Shape:
    """A block where a blank line stands for it, otherwise a line."""
    for before, after in pairwise(texts):
        line_so_far = LINE_BREAK.split(before)[-1]
        rest = LINE_BREAK.split(after, maxsplit=1)[0]
        if (
            line_so_far.strip()
            or rest.strip()
            or not before.rstrip().endswith((":", "{", "(", "["))
        ):
            return Shape.LINE
    return Shape.BLOCK


def spans_of_holes(layout: Layout) -> list[tuple[int, int]]:
    """Where each hole is among a row's open positions."""
    ends = list(accumulate(len(hole) for hole in layout.holes))
    return list(zip([0, *ends], ends, strict=False))


def _token_texts(tokenizer: Tokenizer, size: int, profile: Profile) -> list[str | None]:
    """The text of every id of the model; None for one that must never reach a buffer: it is special
    or has no text."""
    known = tokenizer.get_vocab_size()
    special = {
        token for token, added in tokenizer.get_added_tokens_decoder().items() if added.special
    }
    return [
        tokenizer.decode([token], skip_special_tokens=False)
        if profile.first_text_token <= token < known and token not in special
        else None
        for token in range(size)
    ]


def _all_but(tokens: Sequence[int], like: Tensor) -> Tensor:
    """[V], True for all ids but `tokens`."""
    chosen = torch.ones_like(like)
    chosen[list(tokens)] = False
    return chosen
