"""Text of tokens, and spans that cover it exactly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api import Span
from engine.fill.drafts import cut_spans, read_spans, read_text
from engine.fill.prompt import encode

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(text=ANYTHING, data=st.data())
def test_spans_cover_the_text(tiny: Any, text: str, data: st.DataObject) -> None:
    ids = encode(tiny.tokenizer, text)
    probabilities = [data.draw(st.floats(0.01, 1)) for _ in ids]
    check(tiny, ids, probabilities, text)


@given(data=st.data())
def test_spans_cover_the_text_of_any_tokens(tiny: Any, data: st.DataObject) -> None:
    """As a model may write them: bytes that make no character, special tokens."""
    size = tiny.tokenizer.get_vocab_size()
    ids = data.draw(st.lists(st.integers(0, 280) | st.integers(0, size - 1), max_size=12))
    probabilities = [data.draw(st.floats(0.01, 1)) for _ in ids]
    check(tiny, ids, probabilities, tiny.tokenizer.decode(ids))


def check(tiny: Any, ids: list[int], probabilities: list[float], text: str) -> None:
    read, spans = read_spans(tiny.tokenizer, ids, probabilities)
    assert read == text == read_text(tiny.tokenizer, ids)
    ends = [0, *(span.end for span in spans)]
    assert [span.start for span in spans] == ends[:-1]
    assert ends[-1] == len(text)
    assert all(span.start < span.end for span in spans)
    assert all(span.confidence in probabilities for span in spans)


def test_tokens_that_share_a_character_share_a_span(tiny: Any) -> None:
    before, crab, after = (encode(tiny.tokenizer, text) for text in ("a", "🦀", "b"))
    assert len(crab) > 1
    probabilities = [0.9, *(0.8 - 0.1 * at for at in range(len(crab))), 0.7]
    _, spans = read_spans(tiny.tokenizer, before + crab + after, probabilities)
    assert [(span.start, span.end) for span in spans] == [(0, 1), (1, 2), (2, 3)]
    assert [span.confidence for span in spans] == [0.9, min(probabilities), 0.7]


SPANS = (Span(0, 2, 0.1), Span(2, 5, 0.2), Span(5, 6, 0.3))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 6, SPANS),
        (2, 6, (Span(0, 3, 0.2), Span(3, 4, 0.3))),
        (1, 4, (Span(0, 1, 0.1), Span(1, 3, 0.2))),
        (3, 4, (Span(0, 1, 0.2),)),
        (3, 3, ()),
        (6, 6, ()),
    ],
)
def test_cut(start: int, end: int, expected: tuple[Span, ...]) -> None:
    assert cut_spans(SPANS, start, end) == expected
