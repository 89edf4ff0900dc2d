"""A request in, the best of several candidate fills out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import torch
from tokenizers import Tokenizer
from torch import nn

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
from engine.denoise.loop import Denoising, Step, denoise
from engine.denoise.replay import Replay, replays
from engine.denoise.sampler import Seeded
from engine.fill.beam import Writer
from engine.fill.candidates import (
    Candidate,
    Texts,
    look_up_candidates,
    rank_candidates,
    read_candidates,
)
from engine.fill.chat_prompt import build_chat_prompt
from engine.fill.drafts import read_draft
from engine.fill.lengths import guess_shape, hole_lengths, lay_out_candidates
from engine.fill.prefix_cache import KEPT_TOKENS, PrefixCaches
from engine.fill.prompt import Prompt, build_prompt, encode, far_apart
from engine.fill.structure import Surroundings
from engine.fill.writable import Writable
from engine.models.diffusion_gemma import DiffusionGemma, KVCache


class LocalEngine:
    """Fills holes with a model in this process. One fill at a time.

    `kept_tokens`: how many of all windows' prompts keep their keys and values.
    """

    def __init__(
        self,
        model: DiffusionGemma,
        tokenizer: Tokenizer,
        profile: Profile,
        info: EngineInfo,
        kept_tokens: int = KEPT_TOKENS,
    ) -> None:
        self.model, self.tokenizer, self.profile = model, tokenizer, profile
        self._info = info
        self._prefixes = PrefixCaches(model, kept_tokens)
        self._replay = Replay(model) if model.device.type == "cuda" else None
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
            confidence=best.confidence(self.profile),
            steps=rolled.steps,
            canvas_tokens=rolled.canvas_tokens,
            seconds=0.0,
            alternatives=tuple(
                Alternative(each.texts, each.score, each.confidence(self.profile))
                for each in rolled.candidates
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
        begun = self._begin(request, cancelled)
        if begun is None:
            return None
        steps = 0
        candidates: list[Candidate] = []
        for roll in range(1 + self.profile.rerolls):
            seeded = replace(request, seed=request.seed + roll)
            last, candidates = self._roll(seeded, begun, on_draft, cancelled)
            steps += last.number
            if any(text.strip() for text in candidates[0].texts):
                break
        return Rolled(candidates, steps, sum(layout.width for layout in begun.layouts))

    def _begin(self, request: FillRequest, cancelled: IsCancelled | None) -> _Begun | None:
        """The prompt read and the candidates laid out; None where the holes do not fit on one
        canvas. Raises BadRequest where a single one does not."""
        if far_apart(request.texts, self.profile):
            return None
        prompt = self._prompt(request)
        shape = request.shape if request.shape is not Shape.AUTO else guess_shape(request.texts)
        drafts = self._draft_ids(request, prompt)
        lengths = hole_lengths(request, self.profile, prompt, shape, drafts)
        layouts = lay_out_candidates(prompt, self.profile, lengths)
        if layouts:
            cache = self._prefixes.encode(prompt.ids, cancelled)
            around = Surroundings(request.texts, request.language or "")
            return _Begun(prompt, shape, drafts, layouts, around, cache)
        if request.holes == 1:
            canvas = self.profile.canvas_tokens
            raise BadRequest(f"what is beside the gap leaves no room on a canvas of {canvas}")
        return None

    def _roll(
        self,
        request: FillRequest,
        begun: _Begun,
        on_draft: OnDraft | None,
        cancelled: IsCancelled | None,
    ) -> tuple[Step, list[Candidate]]:
        """The canvases from noise to ranked candidates, once."""
        model, tokenizer, profile = self.model, self.tokenizer, self.profile
        prompt, layouts, cache = begun.prompt, begun.layouts, begun.cache
        settings = self._settings(request, begun.shape)
        draws = self._draws(request.seed)
        canvas = Canvas.of(layouts, model.device)
        canvas = canvas.write(draws.ids(*canvas.places.shape))
        canvas = canvas.begin_with(layouts, begun.drafts, profile.slack)
        banned = self._writable.banned(begun.shape, prompt.seams, layouts, canvas)

        def show(step: Step) -> None:
            assert on_draft is not None
            of, seams = settings.steps, prompt.seams
            on_draft(read_draft(tokenizer, layouts, canvas, step, of, seams, profile.slack))

        rest = cache, canvas, settings, draws, banned, show if on_draft else None, cancelled
        if self._replay is not None and replays(settings, draws) and isinstance(model, nn.Module):
            last = self._replay.denoise(*rest)
        else:  # on a CPU, or where the steps are shared with other fills
            last = denoise(model, *rest)
        if cancelled is not None and cancelled():  # ranking costs as much as a step
            raise Cancelled("the fill was cancelled")
        written = read_candidates(tokenizer, layouts, last, profile.slack)
        if request.holes == 1 and profile.beams:
            written = self._continued(request, begun, cancelled) | written
        looks_up = profile.lookup and request.holes == 1
        matches = look_up_candidates(request, begun.shape, prompt, tokenizer) if looks_up else {}
        ranked = rank_candidates(
            model, tokenizer, profile, prompt, written, matches, begun.around, cache
        )
        return last, ranked

    def _continued(
        self, request: FillRequest, begun: _Begun, cancelled: IsCancelled | None
    ) -> dict[Texts, float]:
        """What the causal pass would go on with, see engine/fill/beam.py."""
        prompt, around, cache = begun.prompt, begun.around, begun.cache
        given = self.model, self.tokenizer, self._writable.texts, self.profile
        writer = Writer(*given, prompt, around, cache, cancelled)
        if begun.shape is Shape.LINE:
            found = writer.lines(request.max_tokens)
        else:
            found = writer.blocks(request.max_tokens)
        return {(text + prompt.seams[0].right,): p for text, p in found.items()}

    def _prompt(self, request: FillRequest) -> Prompt:
        tokenizer, profile, vocabulary = self.tokenizer, self.profile, self._writable.vocabulary
        if profile.style == "chat":
            return build_chat_prompt(request, tokenizer, profile, vocabulary)
        return build_prompt(request.texts, tokenizer, profile, vocabulary)

    def _draft_ids(self, request: FillRequest, prompt: Prompt) -> list[list[int]]:
        """The tokens of each hole's draft, with the pieces that seams took; empty without one."""
        return [
            encode(self.tokenizer, seam.left + text + seam.right)
            for text, seam in zip(request.draft or (), prompt.seams, strict=False)
        ]

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
        confidence = math.prod(fill.confidence for fill in fills)
        return Fill(
            texts=tuple(done),
            confidence=confidence,
            steps=sum(fill.steps for fill in fills),
            canvas_tokens=sum(fill.canvas_tokens for fill in fills),
            seconds=0.0,
            alternatives=(Alternative(tuple(done), score, confidence),),
        )

    def _settings(self, request: FillRequest, shape: Shape) -> Denoising:
        profile = self.profile
        # What several holes lose together says nothing of one of them.
        hurries = shape is Shape.LINE and request.holes == 1
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
            haste=profile.haste if hurries else 0.0,
            hopeless=profile.hopeless if hurries and profile.hopeless is not None else math.inf,
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


@dataclass(frozen=True, slots=True)
class Rolled:
    """Candidates, best first, and what they cost."""

    candidates: list[Candidate]
    steps: int
    canvas_tokens: int


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request made ready: `cache` holds the prompt, `drafts` are the tokens the holes begin with
    (one list per hole, or none)."""

    prompt: Prompt
    shape: Shape
    drafts: list[list[int]]
    layouts: list[Layout]
    around: Surroundings
    cache: KVCache
