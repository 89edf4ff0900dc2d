"""A request in, the best of several candidate fills out."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
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
    ModelMissing,
    OnDraft,
    Shape,
    Span,
)
from engine.canvas import Canvas, Layout, fill_hole, lay_out
from engine.denoise import Denoising, Step, denoise
from engine.drafts import cut_start, read_spans, read_text
from engine.models import load_model
from engine.models.diffusion_gemma import DiffusionGemma, KVCache
from engine.prefix_cache import PrefixCache
from engine.profile import Profile, read_profile
from engine.prompt import Prompt, build_prompt, encode
from engine.rank import likelihoods
from engine.sampler import Seeded
from engine.tokenizer import read_tokenizer

EMBEDDED = Path(__file__).parent / "embedded"
LINE_BREAK = re.compile(r"[\r\n]")
UNHEALED = 1e3  # worse than any log-probability: chosen only when every candidate broke a word


def load_engine(model: str = "embedded", device: str | None = None) -> LocalEngine:
    """The engine of a model: "embedded", or a folder in Hugging Face layout.

    Raises ModelMissing when there is no such model or its files are no use.
    """
    folder = EMBEDDED if model == "embedded" else Path(model).expanduser()
    if not folder.is_dir():
        raise ModelMissing(
            f'there is no model "{model}": give "embedded" or a folder with config.json, '
            "tokenizer.json and *.safetensors"
        )
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return LocalEngine(
        load_model(folder, chosen, _dtype(chosen)),
        read_tokenizer(folder / "tokenizer.json"),
        read_profile(folder),
        EngineInfo(model=model, device=chosen),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resolved canvas: the text of each hole, its rank score, and the log-probability of the
    whole of it under the last denoising step."""

    texts: tuple[str, ...]
    score: float
    certainty: float


class LocalEngine:
    """Fills holes with a model in this process. One fill at a time."""

    def __init__(
        self, model: DiffusionGemma, tokenizer: Tokenizer, profile: Profile, info: EngineInfo
    ) -> None:
        self.model, self.tokenizer, self.profile = model, tokenizer, profile
        self._info = info
        self._prefixes = PrefixCache(model)
        self._special = _special_tokens(model, profile)
        self._breaks = _line_breaks(tokenizer, model)

    @property
    def info(self) -> EngineInfo:
        return self._info

    def fill(
        self,
        request: FillRequest,
        on_draft: OnDraft | None = None,
        cancelled: IsCancelled | None = None,
    ) -> Fill:
        started = time.perf_counter()
        fill = self._fill(request, on_draft, cancelled)
        return replace(fill, seconds=time.perf_counter() - started)

    def _fill(
        self, request: FillRequest, on_draft: OnDraft | None, cancelled: IsCancelled | None
    ) -> Fill:
        prompt = build_prompt(request.texts, self.tokenizer, self.profile)
        shape = request.shape if request.shape is not Shape.AUTO else guess_shape(request.texts)
        layouts = list(self._layouts(request, prompt, shape))
        if not layouts:
            if request.holes > 1:
                return self._one_by_one(request, on_draft, cancelled)
            raise BadRequest(
                f"a hole of up to {request.max_tokens} tokens does not fit on this model's canvas "
                f"of {self.profile.canvas_tokens}: ask for fewer"
            )
        cache = self._prefixes.encode(prompt.ids)
        settings = self._settings(request)
        draws = self._draws(request.seed)
        canvas = Canvas.of(layouts, self.model.device)
        canvas = canvas.write(draws.ids(*canvas.places.shape))
        if request.draft is not None:
            canvas = self._warm(canvas, layouts, request.draft)
        banned = self._banned(shape)

        def show(step: Step) -> None:
            if on_draft is not None:
                on_draft(self._draft(layouts, canvas, step, settings.steps, prompt))

        last = denoise(self.model, cache, canvas, settings, draws, banned, show, cancelled)
        candidates = self._rank(request, prompt, layouts, last, cache)
        best = candidates[0]
        return Fill(
            texts=best.texts,
            confidence=self._confidence(best),
            steps=last.number,
            canvas_tokens=canvas.ids.numel(),
            seconds=0.0,
            alternatives=tuple(
                Alternative(candidate.texts, candidate.score) for candidate in candidates
            ),
        )

    def _layouts(self, request: FillRequest, prompt: Prompt, shape: Shape) -> Iterator[Layout]:
        """Candidates: every length of the profile that the request and the canvas allow."""
        profile = self.profile
        lengths = profile.line_tokens if shape is Shape.LINE else profile.block_tokens
        extra = len(prompt.healed_left) + len(prompt.healed_right)
        allowed = [n for n in lengths if n <= request.max_tokens + extra]
        allowed = allowed or [request.max_tokens]
        if request.candidates is not None:
            allowed = allowed[-request.candidates :]
        if request.draft is not None:
            longest = max(len(encode(self.tokenizer, text)) for text in request.draft)
            allowed = sorted({*allowed, longest}) if profile.slack is None else allowed
            allowed = [n for n in allowed if n >= longest] or [longest]
        for length in allowed:
            layout = lay_out(
                prompt.head,
                prompt.between,
                prompt.suffix,
                [length] * request.holes,
                profile.canvas_tokens,
                eos=profile.eos,
                pad=profile.pad,
                end_of_text=prompt.end_of_text,
            )
            if layout is not None:
                yield layout

    def _one_by_one(
        self, request: FillRequest, on_draft: OnDraft | None, cancelled: IsCancelled | None
    ) -> Fill:
        """Holes too far apart for one canvas: each in its turn, with those before it filled."""
        done: list[str] = []
        fills: list[Fill] = []
        texts = request.texts
        for index in range(request.holes):
            prefix = (
                "".join(text + fill for text, fill in zip(texts, done, strict=False)) + texts[index]
            )
            part = replace(
                request,
                texts=(prefix, "".join(texts[index + 1 :])),
                draft=None if request.draft is None else (request.draft[index],),
            )

            def show(draft: Draft, index: int = index) -> None:
                if on_draft is not None:
                    rest = ("",) * (request.holes - index - 1)
                    spans = ((),) * index + draft.confidence
                    on_draft(replace(draft, texts=(*done, *draft.texts, *rest), confidence=spans))

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

    def _banned(self, shape: Shape) -> Tensor:
        return self._special | self._breaks if shape is Shape.LINE else self._special

    def _warm(self, canvas: Canvas, layouts: Sequence[Layout], draft: tuple[str, ...]) -> Canvas:
        """The holes begin with the draft's tokens, then slack; noise where there is neither."""
        tokens = canvas.read()
        texts = [encode(self.tokenizer, text) for text in draft]
        slack = self.profile.slack
        for row, layout in enumerate(layouts):
            for (start, end), ids in zip(spans_of_holes(layout), texts, strict=True):
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
        for here in spans_of_holes(layouts[row]):
            kept = [at for at in range(*here) if tokens[at] != self.profile.slack]
            text, parts = read_spans(
                self.tokenizer, [tokens[at] for at in kept], [certainty[at] for at in kept]
            )
            texts.append(text)
            spans.append(parts)
        if prompt.healed_left and texts[0].startswith(prompt.healed_left):
            texts[0], spans[0] = cut_start(texts[0], spans[0], len(prompt.healed_left))
        return Draft(tuple(texts), step.number, of, tuple(spans))

    def _rank(
        self,
        request: FillRequest,
        prompt: Prompt,
        layouts: Sequence[Layout],
        last: Step,
        cache: KVCache,
    ) -> list[Candidate]:
        """Distinct candidates, best first."""
        certainty: dict[tuple[str, ...], float] = {}
        tokens, log_p = last.tokens.tolist(), last.probability.log().tolist()
        for row, layout in enumerate(layouts):
            holes = spans_of_holes(layout)
            texts = tuple(
                read_text(self.tokenizer, fill_hole(tokens[row][slice(*at)], self.profile.slack))
                for at in holes
            )
            sure = sum(log_p[row][: holes[-1][1]])
            certainty[texts] = max(sure, certainty.get(texts, -math.inf))
        found = list(certainty)
        middles = [
            texts[0]
            + "".join(
                between + text for between, text in zip(request.texts[1:-1], texts[1:], strict=True)
            )
            for texts in found
        ]
        scores = likelihoods(self.model, self.tokenizer, self.profile, prompt, middles, cache)
        candidates = []
        for texts, likelihood in zip(found, scores, strict=True):
            unhealed = unheal(texts, prompt)
            score = likelihood.score(self.profile.rank_suffix_weight)
            if unhealed is None:
                score -= UNHEALED
            candidates.append(Candidate(unhealed or ("",) * len(texts), score, certainty[texts]))
        return sorted(candidates, key=lambda candidate: candidate.score, reverse=True)

    def _confidence(self, best: Candidate) -> float:
        """How likely the whole fill is exactly right, 0..1, after the profile's calibration."""
        probability = min(max(math.exp(best.certainty), 1e-6), 1 - 1e-6)
        slope, intercept = self.profile.calibration
        odds = slope * math.log(probability / (1 - probability)) + intercept
        return 1 / (1 + math.exp(-odds))


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


def unheal(texts: tuple[str, ...], prompt: Prompt) -> tuple[str, ...] | None:
    """Drop the pieces of words that healing gave to the holes; None if they are not there."""
    left, right = prompt.healed_left, prompt.healed_right
    first = texts[0].removeprefix(left)
    if left and len(first) == len(texts[0]):
        return None
    if len(texts) == 1:
        texts = (first,)
    else:
        texts = (first, *texts[1:])
    last = texts[-1].removesuffix(right)
    if right and len(last) == len(texts[-1]):
        return None
    return (*texts[:-1], last)


def _special_tokens(model: DiffusionGemma, profile: Profile) -> Tensor:
    """[V], True for ids that must never reach a buffer."""
    ids = torch.arange(model.config.vocab_size, device=model.device)
    special = ids < profile.first_text_token
    if profile.slack is not None:
        special &= ids != profile.slack
    return special


def _line_breaks(tokenizer: Tokenizer, model: DiffusionGemma) -> Tensor:
    """[V], True for tokens with a line break in them."""
    breaks = torch.zeros(model.config.vocab_size, dtype=torch.bool, device=model.device)
    for token in range(min(tokenizer.get_vocab_size(), len(breaks))):
        if LINE_BREAK.search(tokenizer.decode([token], skip_special_tokens=False)):
            breaks[token] = True
    return breaks
