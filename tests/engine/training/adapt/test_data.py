"""What batches hold is the text they were cut from, whatever was noised."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from engine.training.adapt.data import Batch, batch_of, reach
from engine.training.adapt.settings import Settings
from engine.training.adapt.tokens import (
    DOCUMENT,
    END,
    FIRST_TEXT_TOKEN,
    MASK,
    SLACK,
    open_end,
    read_tokenizer,
)
from engine.training.data import Corpus, Share, choose_cut


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Tokenizer:
    return read_tokenizer(base)


def batches_of(settings: Settings, tokenizer: Tokenizer, corpus: Path, count: int) -> list[Batch]:
    texts = Corpus(corpus / "train.jsonl", settings.data.languages)
    return [batch_of(settings, tokenizer, texts, step, Share()) for step in range(count)]


def test_a_batch_depends_on_seed_step_and_process_alone(
    settings: Settings, tokenizer: Tokenizer, corpus: Path
) -> None:
    texts = Corpus(corpus / "train.jsonl", settings.data.languages)
    one, again, other = (
        batch_of(settings, tokenizer, texts, 3, Share(rank, 2)) for rank in (0, 0, 1)
    )
    assert one.canvas.equal(again.canvas)
    assert one.canvas.shape == other.canvas.shape
    assert not one.chunk.equal(other.chunk)


def test_canvases_go_on_where_their_chunk_ends(
    settings: Settings, tokenizer: Tokenizer, corpus: Path
) -> None:
    texts = "".join(source for group in Corpus(corpus / "train.jsonl")._texts for source in group)
    for batch in batches_of(settings, tokenizer, corpus, 6):
        for row in range(batch.chunk.shape[0]):
            for index in range(batch.canvas.shape[1]):
                before = batch.chunk[row, : batch.start[row, index]].tolist()
                target = batch.target[row, index].tolist()
                seen = batch.canvas[row, index].tolist()
                place = batch.place[row, index].tolist()
                if batch.causal[row, index]:
                    # The chunk's next token, and then what the canvas is about.
                    begin = place.index(0)
                    assert seen[begin] == batch.chunk[row, batch.start[row, index]]
                    end = seen.index(END)
                    written, after = seen[begin:end], seen[:begin]
                    assert place[begin : end + 1] == list(range(len(written) + 1))
                    behind = place[0] if after else len(written)
                    assert behind >= len(written)
                    assert place[:begin] == list(range(behind, behind + begin))
                else:
                    assert place == list(range(len(seen)))
                    scored = (batch.weight[row, index] > 0).tolist()
                    assert all(
                        s == t for s, t, x in zip(seen, target, scored, strict=True) if not x
                    )
                    written, after = [token for token in target if token != SLACK], []
                ids = [token for token in (*before, *written, *after) if token >= FIRST_TEXT_TOKEN]
                assert tokenizer.decode(ids) in texts


def test_what_is_masked_is_scored(settings: Settings, tokenizer: Tokenizer, corpus: Path) -> None:
    for batch in batches_of(settings, tokenizer, corpus, 6):
        assert (batch.weight[batch.canvas == MASK] > 0).all()
        assert (batch.chunk_weight[:, 0] == 0).all()
        fills = batch.target[batch.causal]
        assert ((fills == END).sum(-1) == 1).all()


def test_no_canvas_begins_behind_the_keys_of_its_group(
    settings: Settings, tokenizer: Tokenizer, corpus: Path
) -> None:
    data = settings.data
    for batch in batches_of(settings, tokenizer, corpus, 6):
        count, tokens = batch.canvas.shape[1], batch.chunk.shape[1]
        reaches = [reach(i, count, data.groups, tokens) for i in range(count)]
        assert (batch.start.amax(0).tolist() <= reaches) or all(
            start <= most for start, most in zip(batch.start.amax(0).tolist(), reaches, strict=True)
        )
        assert reaches[-1] == tokens


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", ""),
        ("x = ", " "),
        ("return", "return"),
        ("    ", " "),
        ("if x:\n", "\n"),
        ("if x:\n    ", " "),
        ("foo(", "("),
    ],
)
def test_an_open_end_is_what_the_next_word_decides(
    tokenizer: Tokenizer, text: str, end: str
) -> None:
    assert text.endswith(end)
    found = open_end(tokenizer, text)
    assert text.endswith(found)
    assert bool(found) == bool(text)
    assert found.endswith(end[-1:])


def test_pauses_are_behind_a_sign_and_end_at_the_line_or_its_closers() -> None:
    text = "def f(a):\n    x = foo(a, [b])\n    return x.y\n"
    spans, rng = {"pause": 1.0}, random.Random(0)
    cuts = {choose_cut(text, 0, len(text), spans, rng) for _ in range(300)} - {None}
    found = {text[cut.start : cut.end] for cut in cuts if cut is not None}
    assert {"foo(a, [b])", "foo(a, [b", "a, [b])", "[b])", "b", "x.y", "y", "a):", "a"} <= found
    assert DOCUMENT == 0
