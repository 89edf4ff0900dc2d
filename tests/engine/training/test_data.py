"""Training batches: the same ones whenever they are asked for, laid out as fills are."""

from __future__ import annotations

import random
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.denoise.canvas import lay_out
from engine.fill.prompt import build_prompt
from engine.models.training import reach
from engine.training.data import (
    BOS,
    DEL,
    EOS,
    MASK,
    PAD,
    Corpus,
    Cut,
    Pieces,
    Share,
    _noised,
    _pieces,
    batch_of,
    batches,
    choose_cut,
)
from engine.training.export import default_profile
from engine.training.objective import Batch
from engine.training.settings import Settings
from engine.training.source import Source, write_sources

# Real code: this file and its neighbours.
SOURCES = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("corpus") / "train.jsonl"
    write_sources((Source("p", f"{n}.py", text) for n, text in enumerate(SOURCES)), path)
    return Corpus(path)


def same(one: Batch, two: Batch) -> bool:
    pairs = ((getattr(one, field.name), getattr(two, field.name)) for field in fields(Batch))
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("step", [0, 3], ids=["causal", "joint"])
def test_a_batch_depends_on_seed_step_and_share_alone(step: int, tiny: Any, corpus: Corpus) -> None:
    settings, share = tiny.settings, Share(1, 2)
    batch = batch_of(settings, tiny.tokenizer, corpus, step, share)
    batch_of(settings, tiny.tokenizer, corpus, step + 1, share)
    torch.manual_seed(5)
    random.seed(5)
    assert same(batch, batch_of(settings, tiny.tokenizer, corpus, step, share))
    for other in (
        batch_of(replace(settings, seed=4), tiny.tokenizer, corpus, step, share),
        batch_of(settings, tiny.tokenizer, corpus, step + 4, share),
        batch_of(settings, tiny.tokenizer, corpus, step, Share(0, 2)),
    ):
        assert not same(batch, other)


def test_batches_go_on_where_they_are_asked_to(tiny: Any, corpus: Corpus) -> None:
    settings, share = tiny.settings, Share()
    everything = list(batches(settings, tiny.tokenizer, corpus, 0, share))
    assert [step for step, _ in everything] == list(range(settings.schedule.steps))
    for step, batch in everything:
        assert same(batch, batch_of(settings, tiny.tokenizer, corpus, step, share))
    rest = list(batches(settings, tiny.tokenizer, corpus, 2, share))
    assert [step for step, _ in rest] == [2, 3]
    assert all(same(one, two) for (_, one), (_, two) in zip(everything[2:], rest, strict=True))
    assert list(batches(settings, tiny.tokenizer, corpus, settings.schedule.steps, share)) == []


def test_shares_make_one_batch(tiny: Any, corpus: Corpus) -> None:
    data, schedule = tiny.settings.data, tiny.settings.schedule
    for step, chunks in ((0, schedule.causal_chunks), (2, data.chunks)):
        for processes in (1, 2):
            batch = batch_of(tiny.settings, tiny.tokenizer, corpus, step, Share(0, processes))
            assert len(batch.chunk) == len(batch.canvas) == chunks // processes


def test_the_shape_of_a_batch(tiny: Any, corpus: Corpus) -> None:
    data = tiny.settings.data
    batch = batch_of(tiny.settings, tiny.tokenizer, corpus, 2, Share())
    assert batch.chunk.shape == batch.chunk_weight.shape == (data.chunks, data.chunk_tokens)
    shape = (data.chunks, data.canvases, data.canvas_tokens)
    for field in (batch.canvas, batch.target, batch.weight, batch.pinned):
        assert field.shape == shape
    assert batch.start.shape == shape[:2]
    assert (batch.start <= batch.chunk_weight.sum(-1)[:, None]).all()
    assert (batch.chunk[batch.chunk_weight == 0] == PAD).all()
    assert batch.pinned.dtype == torch.bool
    # Pinned places show what is true and are not scored; all others are scored.
    assert torch.equal(batch.canvas[batch.pinned], batch.target[batch.pinned])
    assert (batch.weight[batch.pinned] == 0).all()
    assert (batch.weight[~batch.pinned] > 0).all()
    wrong = batch.canvas != batch.target
    assert (batch.canvas[wrong] >= MASK).all()


def test_what_a_canvas_holds_stands_in_the_text(tiny: Any, corpus: Corpus) -> None:
    """Chunk up to the canvas, head, what was cut out, and suffix are one stretch of a source."""
    for rank in range(8):
        batch = batch_of(tiny.settings, tiny.tokenizer, corpus, 3, Share(rank))
        for row in range(len(batch.chunk)):
            for start, target in zip(batch.start[row], batch.target[row], strict=True):
                ids = [*batch.chunk[row, :start].tolist(), *target.tolist()]
                text = tiny.tokenizer.decode(
                    [token for token in ids if token not in (BOS, DEL, EOS, PAD)]
                ).rstrip("\ufffd")  # the canvas may end inside a character
                assert any(text in source for source in SOURCES)
                assert EOS not in ids or any(source.endswith(text) for source in SOURCES)
                assert BOS not in ids or any(source.startswith(text) for source in SOURCES)


IDS = st.lists(st.integers(20, 4000), max_size=12)


@given(
    head=IDS.filter(lambda ids: len(ids) <= 10),
    middle=IDS,
    suffix=st.lists(st.integers(20, 4000), max_size=40),
    ends=st.booleans(),
    seed=st.integers(0, 99),
)
def test_canvases_are_laid_out_as_fills_are(
    tiny: Any, head: list[int], middle: list[int], suffix: list[int], ends: bool, seed: int
) -> None:
    settings = replace(tiny.settings, noise=replace(tiny.settings.noise, around=0.0))
    pieces = Pieces(0, head, middle, [*suffix, EOS] if ends else suffix)
    canvas, target, weight, pinned = _noised(settings, pieces, random.Random(seed))
    size = pinned.count(0)
    assert size in settings.data.slot_tokens
    assert size >= len(middle)
    width = settings.data.canvas_tokens
    layout = lay_out(head, [], suffix, [size], width, eos=EOS, pad=PAD, end_of_text=ends)
    assert layout is not None
    opened = range(*layout.holes[0].span)
    assert [at for at in range(width) if not pinned[at]] == list(opened)
    for at in range(width):
        if at in opened:
            assert weight[at] > 0
        else:
            assert canvas[at] == target[at] == layout.ids[at]
            assert weight[at] == 0
    clean = middle + [DEL] * (size - len(middle))
    assert [target[at] for at in opened] == clean
    # However much slack there is, it weighs no more than two tokens.
    assert sum(weight[at] for at in opened if target[at] == DEL) <= 2


def test_noise_around_the_slot(tiny: Any) -> None:
    settings = replace(tiny.settings, noise=replace(tiny.settings.noise, around=1.0))
    pieces = Pieces(0, [30, 31], [40], [*range(50, 60), EOS])
    masked = 0
    for seed in range(20):
        canvas, target, weight, pinned = _noised(settings, pieces, random.Random(seed))
        size = target[2:].index(50)
        for at in range(2 + size, len(canvas)):
            if pinned[at]:
                assert canvas[at] == target[at]
                assert weight[at] == 0
            else:
                masked += 1
                assert canvas[at] == MASK
                assert weight[at] == 1
        assert target[2 + size :][:11] == pieces.suffix
        assert all(pinned[:2])
        assert all(pinned[2 + size + 11 :]), "padding is nothing to be guessed"
    assert masked > 20


def test_training_and_filling_cut_a_text_alike(tiny: Any) -> None:
    """The same prompt, head and suffix from the same cursor, but where a long line is cut: there
    training keeps fewer of its tokens."""
    real = replace(Settings.read().data, chunk_tokens=4096)
    settings = replace(tiny.settings, data=real)
    profile = default_profile(settings)
    rng = random.Random(0)
    alike = cut_lines = 0
    for text in SOURCES:
        text = text[:6000]
        encoding = tiny.tokenizer.encode(text, add_special_tokens=False)
        starts = [start for start, _ in encoding.offsets]
        chunk = [BOS, *encoding.ids]
        for _ in range(60):
            cut = choose_cut(text, 0, len(text), settings.data.spans, rng)
            pieces = cut and _pieces(settings, tiny.tokenizer, text, starts, 1, cut)
            if not cut or not pieces:
                continue
            prompt = build_prompt((text[: cut.start], text[cut.end :]), tiny.tokenizer, profile)
            line_so_far = text[: cut.start].rpartition("\n")[2]
            size = len(tiny.tokenizer.encode(line_so_far, add_special_tokens=False).ids)
            if size > settings.data.head_tokens - 3:
                cut_lines += 1
                continue
            alike += 1
            assert chunk[: pieces.start] == prompt.ids
            assert pieces.head == prompt.head
            width = settings.data.canvas_tokens
            ours = prompt.suffix + [EOS] * prompt.end_of_text
            assert pieces.suffix[: width // 2] == ours[: width // 2]
    assert alike > 60
    assert cut_lines < alike


KINDS = ["rest_of_line", "whole_line", "lines", "within_line", "nothing", "bracketed"]


@pytest.mark.parametrize("kind", KINDS)
def test_cuts(kind: str) -> None:
    text = "import os\n\n\ndef f(x):\n    # why\n    y = g([x, (1)], {a[0]: (b)})\n    return y\n"
    rng = random.Random(0)
    cuts: set[Cut] = set()
    for _ in range(400):
        cut = choose_cut(text, 0, len(text), {kind: 1.0}, rng)
        if cut is None:
            continue
        cuts.add(cut)
        taken = text[cut.start : cut.end]
        line_start = text.rfind("\n", 0, cut.start) + 1
        assert 0 <= cut.start <= cut.end <= len(text)
        if kind in ("rest_of_line", "whole_line", "lines"):
            assert text[cut.end : cut.end + 1] in ("\n", "")
            assert taken.strip()
        if kind in ("rest_of_line", "within_line"):
            assert "\n" not in taken
            assert text[line_start : cut.start].strip() or text[cut.start].strip()
        if kind == "whole_line":
            assert not text[line_start : cut.start].strip()
            assert taken.count("\n") == 0
        if kind == "lines":
            assert taken.count("\n") <= 4
        if kind == "nothing":
            assert taken == ""
        if kind == "bracketed":
            assert text[cut.start - 1] + text[cut.end] in ("()", "[]", "{}")
            assert taken in ("x", "[x, (1)], {a[0]: (b)}", "x, (1)", "1", "a[0]: (b)", "0", "b")
    assert len(cuts) > 5


def test_a_slot_without_slack_is_as_long_as_its_text(tiny: Any) -> None:
    data = replace(tiny.settings.data, slack=False)
    settings = replace(tiny.settings, data=data)
    pieces = Pieces(0, [20], [30, 31, 32], [40] * 200)
    _, target, _, _ = _noised(settings, pieces, random.Random(0))
    assert target[:5] == [20, 30, 31, 32, 40]
    _, target, _, _ = _noised(settings, replace(pieces, middle=[]), random.Random(0))
    assert target[:3] == [20, DEL, 40]


@pytest.mark.parametrize(
    ("weights", "share_of_a", "share_of_c"),
    [
        (None, 0.375, 0.5),  # what they hold
        ({"python": 1, "lua": 3, "go": 9}, 0.1875, 0.75),
        ({"python": 1}, 0.75, 0.0),
    ],
)
def test_languages_are_drawn_by_weight_and_longer_texts_more_often(
    tmp_path: Path, weights: dict[str, float] | None, share_of_a: float, share_of_c: float
) -> None:
    path = tmp_path / "train.jsonl"
    sources = [
        Source("p", "a.py", "a" * 30),
        Source("p", "b.py", "b" * 10),
        Source("p", "c.lua", "c" * 40, "lua"),
    ]
    write_sources(sources, path)
    corpus, rng = Corpus(path, weights), random.Random(0)
    drawn = [corpus.draw(rng)[0] for _ in range(4000)]
    assert drawn.count("a") / len(drawn) == pytest.approx(share_of_a, abs=0.03)
    assert drawn.count("c") / len(drawn) == pytest.approx(share_of_c, abs=0.03)


def test_a_corpus_without_the_languages_asked_for(tmp_path: Path) -> None:
    write_sources([Source("p", "a.py", "a")], tmp_path / "train.jsonl")
    with pytest.raises(ValueError, match="no text of lua"):
        Corpus(tmp_path / "train.jsonl", {"lua": 1.0})


def test_a_chunks_canvases_see_no_more_than_their_part_may(tiny: Any, corpus: Corpus) -> None:
    """What reads the chunk is cut to the reach of each: more would be lost."""
    settings = tiny.settings
    count, length = settings.data.canvases, settings.data.chunk_tokens
    first = settings.schedule.steps  # the causal ones are past
    for step in range(first, first + 5):
        batch = batch_of(settings, tiny.tokenizer, corpus, step, Share())
        for index in range(count):
            assert int(batch.start[:, index].max()) <= reach(index, count, length)
    assert reach(count - 1, count, length) == length
