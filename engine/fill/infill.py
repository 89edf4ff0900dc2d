"""A request in, the best of several candidate fills out."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer

from engine.api import (
    Alternative,
    BadRequest,
    Cancelled,
    Draft,
    EngineInfo,
    Fill,
    FillRequest,
    IsCancelled,
    OnDraft,
    Shape,
)
from engine.checkpoints.profile import Profile
from engine.denoise.canvas import Canvas, Layout
from engine.denoise.drivers import Driver, driver_of, run
from engine.denoise.loop import Answer, Denoising, Question, Step, denoise
from engine.denoise.rules import MASKED
from engine.denoise.sampler import Seeded
from engine.fill.beam import Writer
from engine.fill.candidates import (
    Candidate,
    Scorer,
    Texts,
    look_up_candidates,
    rank_candidates,
    read_candidates,
)
from engine.fill.chat_prompt import build_chat_prompt
from engine.fill.constrained import Limits
from engine.fill.drafts import read_draft
from engine.fill.lengths import guess_shape, hole_lengths, largest_hole, lay_out_candidates
from engine.fill.prefix_cache import KEPT_TOKENS, PrefixCaches
from engine.fill.prompt import Lead, Prompt, build_prompt, encode, far_apart, lead_of
from engine.fill.pseudo_likelihood import pseudo_likelihoods
from engine.fill.rank import likelihoods
from engine.fill.structure import Surroundings, woven
from engine.fill.writable import Writable
from engine.models.family import Context, Model

T = TypeVar("T")
# A fill, or a part of one, up to its next question of the model.
Steps = Generator[Question, Answer, T]


class LocalEngine:
    """Fills holes with a model in this process.

    `fill` is one fill from its beginning to its end. `steps_of` is the same as a generator, so that
    several can be under way: each goes on when its question was answered by `driver`.

    `kept_tokens`: how many of all windows' prompts keep their contexts.
    """

    def __init__(
        self,
        model: Model[Any],
        tokenizer: Tokenizer,
        profile: Profile,
        info: EngineInfo,
        kept_tokens: int = KEPT_TOKENS,
        driver: Driver | None = None,
    ) -> None:
        self.model, self.tokenizer, self.profile = model, tokenizer, profile
        self.driver = driver_of(model) if driver is None else driver
        self._info = info
        self._prefixes = PrefixCaches(model, kept_tokens)
        self._writable = Writable(tokenizer, model.config.vocab_size, profile, model.device)

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
        return run(self.steps_of(request, on_draft, cancelled, window), self.driver)

    def steps_of(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
        window: str = "",
    ) -> Steps[Fill]:
        """As `fill`, which yields what it asks of the model and is sent the answers."""
        started = time.perf_counter()
        fill = yield from self._fill(request, _Asker(on_draft, cancelled, window))
        return replace(fill, seconds=time.perf_counter() - started)

    def roll(self, request: FillRequest, window: str = "") -> Rolled | None:
        """The holes filled on one canvas, begun anew where it came back empty and the profile says
        so; None where they do not fit on one."""
        return run(self._rolled(request, _Asker(window=window)), self.driver)

    def fill_of(self, rolled: Rolled) -> Fill:
        """The best candidate as a Fill, its time left at 0."""
        best = rolled.candidates[0]
        return Fill(
            texts=best.texts,
            confidence=best.confidence(self.profile),
            steps=rolled.steps,
            canvas_tokens=rolled.canvas_tokens,
            seconds=0.0,
            alternatives=tuple(
                Alternative(each.texts, each.score, each.confidence(self.profile))
                for each in rolled.candidates
            ),
        )

    def _fill(self, request: FillRequest, asker: _Asker) -> Steps[Fill]:
        rolled = yield from self._rolled(request, asker)
        if rolled is not None and (request.holes == 1 or not self.profile.ranking.each_hole):
            return self.fill_of(rolled)
        return (yield from self._one_by_one(request, asker, rolled))

    def _rolled(self, request: FillRequest, asker: _Asker) -> Steps[Rolled | None]:
        begun = self._begin(request, asker)
        if begun is None:
            return None
        steps = 0
        candidates: list[Candidate] = []
        for roll in range(1 + self.profile.sampling.rerolls):
            seeded = replace(request, seed=request.seed + roll)
            last, candidates = yield from self._roll(seeded, begun, asker)
            steps += last.number
            if any(text.strip() for text in candidates[0].texts):
                break
        return Rolled(candidates, steps, sum(layout.width for layout in begun.layouts))

    def _begin(self, request: FillRequest, asker: _Asker) -> _Begun | None:
        """The prompt read and the candidates laid out; None where the holes do not fit on one
        canvas. Raises BadRequest where a single one does not."""
        if far_apart(request.texts, self.profile):
            return None
        prompt = self._prompt(request)
        shape = request.shape if request.shape is not Shape.AUTO else guess_shape(request.texts)
        limits = self._limits(request, prompt, shape)
        drafts = self._draft_ids(request, prompt) if limits is None else []
        lengths = hole_lengths(request, self.profile, prompt, shape, drafts, limits)
        largest = 0
        if lengths:
            largest = largest_hole(request, self.profile, prompt, shape, lengths)
        layouts = lay_out_candidates(prompt, self.profile, lengths, largest)
        if layouts:
            cache = self._prefixes.encode(prompt.ids, asker.cancelled, asker.window)
            around = Surroundings(request.texts, request.language or "")
            lead = None
            if (causal := self.model.causal) is not None:
                behind = max(layout.holes[-1].end for layout in layouts)
                lead = lead_of(prompt, self.profile, cache, causal, behind)
            return _Begun(prompt, shape, drafts, layouts, largest, around, cache, lead, limits)
        if request.holes == 1:
            canvas = self.profile.canvas.width
            raise BadRequest(f"what is beside the gap leaves no room on a canvas of {canvas}")
        return None

    def _roll(
        self, request: FillRequest, begun: _Begun, asker: _Asker
    ) -> Steps[tuple[Step, list[Candidate]]]:
        """The canvases from noise to ranked candidates, once."""
        model, tokenizer, profile = self.model, self.tokenizer, self.profile
        prompt, layouts, cache = begun.prompt, begun.layouts, begun.cache
        settings = self._settings(request, begun)
        draws = self._draws(request.seed)
        canvas = Canvas.of(layouts, model.device)
        canvas = canvas.write(draws.ids(*canvas.places.shape))
        # Where a mask may become slack, what a draft leaves open is masked.
        rest = None if settings.order in MASKED else profile.tokens.slack
        canvas = canvas.begin_with(layouts, begun.drafts, rest)
        banned = self._writable.banned(
            begun.shape, prompt.seams, layouts, canvas, request.constraints
        )
        joint = None if begun.limits is None else begun.limits.joint(layouts)

        def show(step: Step) -> None:
            assert asker.on_draft is not None
            of, seams, slack = settings.steps, prompt.seams, profile.tokens.slack
            asker.on_draft(read_draft(tokenizer, step, of, seams, slack))

        on_step, cancelled = show if asker.on_draft else None, asker.cancelled
        memory: dict[str, Any] = {}
        last = yield from denoise(
            cache, canvas, settings, draws, banned, on_step, cancelled, memory, joint
        )
        if cancelled is not None and cancelled():  # ranking costs as much as a step
            raise Cancelled("the fill was cancelled")
        written = read_candidates(tokenizer, last, profile.tokens.slack)
        if request.holes == 1 and profile.ranking.beams:
            written = self._continued(request, begun, cancelled) | written
        looks_up = profile.ranking.lookup and request.holes == 1
        matches = look_up_candidates(request, begun.shape, prompt, tokenizer) if looks_up else {}
        if begun.limits is not None:
            written, matches = begun.limits.within(written, matches, request.max_tokens)
        score, is_free = self._scorer(begun, memory), begun.limits is None
        ranked = rank_candidates(
            profile, prompt, written, matches, begun.around, score, is_free=is_free
        )
        return last, ranked

    def _scorer(self, begun: _Begun, memory: dict[str, Any]) -> Scorer | None:
        """How candidates get a likelihood: by the causal pass, where the model has one, else by the
        masked model's own, where the profile says so."""
        given = self.tokenizer, self.profile, begun.prompt
        causal, lead = self.model.causal, begun.lead
        if causal is not None and lead is not None:
            return lambda middles: likelihoods(causal, *given, middles, lead)
        if self.profile.ranking.pseudo_likelihood:
            return lambda middles: pseudo_likelihoods(
                self.model, *given, middles, begun.cache, memory
            )
        return None

    def _continued(
        self, request: FillRequest, begun: _Begun, cancelled: IsCancelled | None
    ) -> dict[Texts, float]:
        """What the causal pass would go on with, see engine/fill/beam.py."""
        causal, prompt = self.model.causal, begun.prompt
        if causal is None or begun.lead is None:
            return {}
        given = causal, self.tokenizer, self._writable.texts, self.profile
        writer = Writer(*given, prompt, begun.around, begun.lead, cancelled)
        if begun.limits is not None:
            if begun.lead.end is None:  # it would go on with the rest of the line
                return {}
            writer = replace(writer, language=begun.limits.written(writer.first))
            found = writer.lines(request.max_tokens)
        elif begun.shape is Shape.LINE:
            found = writer.lines(request.max_tokens)
        else:
            found = writer.blocks(request.max_tokens)
        return {(text + prompt.seams[0].right,): p for text, p in found.items()}

    def _prompt(self, request: FillRequest) -> Prompt:
        tokenizer, profile, vocabulary = self.tokenizer, self.profile, self._writable.vocabulary
        if profile.canvas.style == "chat":
            return build_chat_prompt(request, tokenizer, profile, vocabulary)
        return build_prompt(request.texts, tokenizer, profile, vocabulary, request.context)

    def _limits(self, request: FillRequest, prompt: Prompt, shape: Shape) -> Limits | None:
        """What constraints make of the holes; None without any."""
        if not any(request.constraints):
            return None
        texts, banned = self._writable.texts, self._writable.everywhere(shape)
        return Limits(request, prompt, self.tokenizer, self.profile, texts, banned)

    def _draft_ids(self, request: FillRequest, prompt: Prompt) -> list[list[int]]:
        """The tokens of each hole's draft, with the pieces that seams took; empty without one."""
        return [
            encode(self.tokenizer, seam.left + text + seam.right)
            for text, seam in zip(request.draft or (), prompt.seams, strict=False)
        ]

    def _one_by_one(
        self, request: FillRequest, asker: _Asker, together: Rolled | None
    ) -> Steps[Fill]:
        """Each hole in its turn, with those before it filled, and those behind it as they were when
        all were resolved `together`; None where they are too far apart for that.

        So each has what one hole has: lines that the causal pass writes, lookup, and a rank.
        """
        done: list[str] = []
        fills: list[Fill] = []
        texts = request.texts
        drafts = together.candidates[0].texts if together else ("",) * request.holes
        for index in range(request.holes):
            before = woven(texts[: index + 1], done)
            part = replace(
                request,
                texts=(before, woven(texts[index + 1 :], drafts[index + 1 :])),
                draft=None if request.draft is None else (request.draft[index],),
                constraint=(request.constraints[index],),
            )

            def show(draft: Draft, index: int = index) -> None:
                if asker.on_draft is not None:
                    rest = drafts[index + 1 :]
                    spans = ((),) * index + draft.confidence + ((),) * len(rest)
                    filled = (*done, *draft.texts, *rest)
                    asker.on_draft(replace(draft, texts=filled, confidence=spans))

            fills.append((yield from self._fill(part, replace(asker, on_draft=show))))
            done.append(fills[-1].texts[0])
        score = sum(fill.alternatives[0].score for fill in fills) / len(fills)
        confidence = math.prod(fill.confidence for fill in fills)
        return Fill(
            texts=tuple(done),
            confidence=confidence,
            steps=sum(each.steps for each in (*fills, together) if each is not None),
            canvas_tokens=sum(
                each.canvas_tokens for each in (*fills, together) if each is not None
            ),
            seconds=0.0,
            alternatives=(Alternative(tuple(done), score, confidence),),
        )

    def _settings(self, request: FillRequest, begun: _Begun) -> Denoising:
        sampling, tokens = self.profile.sampling, self.profile.tokens
        # What several holes lose together says nothing of one of them.
        hurries = begun.shape is Shape.LINE and request.holes == 1
        healed = max(seam.tokens for seam in begun.prompt.seams)
        steps = min(request.steps or sampling.steps, sampling.steps)
        abandon = sampling.abandon_loss
        return Denoising(
            steps=steps,
            t_max=sampling.t_max,
            t_min=sampling.t_min,
            entropy_bound=sampling.entropy_bound,
            confidence_threshold=sampling.confidence_threshold,
            stability_threshold=sampling.stability_threshold,
            slack=tokens.slack,
            order=sampling.order,
            stride_growth=sampling.stride_growth if hurries else 0.0,
            abandon_loss=math.inf if abandon is None or not hurries else abandon,
            greedy=sampling.greedy,
            quota=sampling.quota,
            self_conditioning=sampling.self_conditioning,
            prefix_refresh=sampling.prefix_refresh,
            mask=tokens.noise[0] if tokens.noise is not None and len(tokens.noise) == 1 else None,
            expand=tokens.expand,
            hole_tokens=begun.largest + healed,
            expansions=begun.largest,
            top_p=sampling.top_p,
            position_temperature=sampling.position_temperature,
            tokens_per_step=sampling.tokens_per_step,
            rounding=sampling.rounding,
        )

    def _draws(self, seed: int) -> Seeded:
        device = self.model.device
        pool = self.profile.tokens.noise
        return Seeded(
            self.model.config.vocab_size,
            device,
            torch.Generator(device).manual_seed(seed),
            None if pool is None else torch.tensor(pool, device=device),
        )


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who wants a fill, and what of it on the way: as in engine.api."""

    on_draft: OnDraft | None = None
    cancelled: IsCancelled | None = None
    window: str = ""


@dataclass(frozen=True, slots=True)
class Rolled:
    """Candidates, best first, and what they cost."""

    candidates: list[Candidate]
    steps: int
    canvas_tokens: int


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request made ready: `cache` holds the prompt, `drafts` are the tokens the holes begin with
    (one list per hole, or none), `largest` how many new tokens a hole may come to hold. `lead` is
    where a causal pass begins, where the model has one."""

    prompt: Prompt
    shape: Shape
    drafts: list[list[int]]
    layouts: list[Layout]
    largest: int
    around: Surroundings
    cache: Context
    lead: Lead | None
    limits: Limits | None = None
