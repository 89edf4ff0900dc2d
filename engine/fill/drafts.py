"""What a canvas holds while it resolves: text, and the probability of each stretch of it."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer

from engine.api import Draft, Span
from engine.denoise.loop import Step
from engine.fill.seams import Seam

UNFINISHED = "�"  # what decoding shows for part of a character


def read_draft(
    tokenizer: Tokenizer,
    step: Step,
    of: int,
    seams: Sequence[Seam],
    slack: int | None,
) -> Draft:
    """The likeliest candidate so far, after `step` of at most `of`."""
    real = step.real
    total = step.probability.log().masked_fill(~real, 0.0).sum(-1)
    row = int((total / real.sum(-1).clamp_min(1)).argmax())
    tokens, probability = step.tokens[row].tolist(), step.probability[row].tolist()
    texts: list[str] = []
    spans: list[tuple[Span, ...]] = []
    for here, seam in zip(step.spans(row), seams, strict=True):
        kept = [at for at in range(*here) if tokens[at] != slack]
        text, parts = read_spans(
            tokenizer, [tokens[at] for at in kept], [probability[at] for at in kept]
        )
        texts.append(seam.cut(text))
        spans.append(cut_spans(parts, len(seam.left), len(text) - len(seam.right)))
    return Draft(tuple(texts), step.number, of, tuple(spans))


def read_text(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of `ids`, special tokens left out."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    return text


def read_spans(
    tokenizer: Tokenizer, ids: Sequence[int], probability: Sequence[float]
) -> tuple[str, tuple[Span, ...]]:
    """The text of `ids` and a span per token; tokens that share a character share a span, with the
    least of their probabilities."""
    spans: list[Span] = []
    text, lowest = "", 1.0
    for count, here in enumerate(probability, start=1):
        lowest = min(lowest, here)
        longer = read_text(tokenizer, ids[:count])
        if count < len(probability) and longer.endswith(UNFINISHED):
            continue
        if len(longer) > len(text):
            spans.append(Span(len(text), len(longer), lowest))
            lowest = 1.0
        text = longer
    return text, tuple(spans)


def cut_spans(spans: Sequence[Span], start: int, end: int) -> tuple[Span, ...]:
    """The spans of characters `start` to `end`, counted from there."""
    kept = ((max(span.start, start), min(span.end, end), span.confidence) for span in spans)
    return tuple(Span(first - start, after - start, p) for first, after, p in kept if first < after)
