"""Beam search against the same model run row by row, and with one that knows its lines by heart."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.api import Cancelled
from engine.checkpoints.profile import Profile
from engine.fill.beam import LONGEST, MARGIN, MOST_LINES, Tree, Writer
from engine.fill.prompt import Lead, Prompt, build_prompt, lead_of
from engine.fill.structure import Surroundings
from engine.fill.token_texts import TokenTexts
from engine.fill.writable import Writable
from engine.models.diffusion_gemma import KVCache
from engine.models.diffusion_gemma.fused import fuse
from engine.training.export import default_profile


class Told:
    """A causal language model that knows by heart what may follow what, given as texts."""

    def __init__(self, tokenizer: Any, size: int, lines: dict[str, float]) -> None:
        self.tokenizer, self.size, self.lines, self.passes = tokenizer, size, lines, 0
        self.device, self.grain = torch.device("cpu"), 32

    def score_tree(
        self, ids: Tensor, places: Tensor, sees: Tensor, cache: KVCache, *, first: int = 0
    ) -> tuple[Tensor, KVCache]:
        """Keys are the ids themselves: what a token sees is what it continues."""
        self.passes += 1
        known = torch.cat((cache.keys[0][0, 0, :, 0].long(), ids))
        logits = torch.full((len(ids), self.size), -50.0)
        for row in range(len(ids)):
            path = known[sees[row]].tolist()
            text = self.tokenizer.decode(path, skip_special_tokens=True)
            for line, weight in self.lines.items():
                if line.startswith(text) and line != text:
                    rest = self.tokenizer.encode(line[len(text) :], add_special_tokens=False).ids
                    logits[row, rest[0]] = torch.logaddexp(
                        logits[row, rest[0]], torch.tensor(math.log(weight))
                    )
        return logits, KVCache((known[None, None, :, None].float(),), cache.values)


def writer_of(
    model: Any, tiny: Any, texts: tuple[str, str], told: bool = False, **changes: Any
) -> Writer:
    profile = default_profile(tiny.settings).but(bos=None, **changes)
    writable = Writable(tiny.tokenizer, tiny.model.config.vocab_size, profile, torch.device("cpu"))
    prompt = build_prompt(texts, tiny.tokenizer, profile, writable.vocabulary)
    ids = torch.tensor(prompt.ids, dtype=torch.long)
    one = ids[None, None, :, None].float()
    cache = KVCache((one,), (one,)) if told else tiny.model.encode(ids)
    given = model, tiny.tokenizer, writable.texts, profile, prompt, Surroundings(texts)
    return Writer(*given, lead_of(prompt, profile, cache, tiny.model, 0))


def search(
    model: Any, tiny: Any, texts: tuple[str, str], told: bool = False, **changes: Any
) -> dict[str, float]:
    return writer_of(model, tiny, texts, told, **changes).lines()


def told(tiny: Any, *lines: tuple[str, float]) -> Told:
    return Told(tiny.tokenizer, tiny.model.config.vocab_size, dict(lines))


BEFORE = "import os\n"


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@torch.no_grad()
def test_every_path_as_if_alone(fused: bool, oracle: Callable[[str], Any]) -> None:
    model = oracle("two experts, both used").ours()
    model = fuse(model) if fused else model
    cache = model.encode(torch.arange(30) % 97)  # beyond the window
    tree = Tree(model, Lead(0, cache, cache.length), pad=0)
    first = [5, 6, 7]
    rows: dict[tuple[int, ...], list[int]] = {}
    paths, scores = tree.grow(first, [tuple(range(at)) for at in range(3)])
    rows[paths[-1]] = first
    for tokens in ([8, 9], [10, 11, 12, 13], [14]):
        parents = [list(rows)[-1 - (at % len(rows))] for at in range(len(tokens))]
        paths, scores = tree.grow(tokens, parents)
        for path, parent, token, found in zip(paths, parents, tokens, scores, strict=True):
            rows[path] = [*rows[parent], token]
            alone = model.score(torch.tensor([rows[path]]), cache)[0, -1].log_softmax(-1)
            torch.testing.assert_close(found, alone, atol=1e-4, rtol=0)


def test_lines_by_their_probability(tiny: Any) -> None:
    model = told(
        tiny,
        (BEFORE + "x = 1\n", 6.0),
        (BEFORE + "x = 2\n", 3.0),
        (BEFORE + "y\n", 1.0),
        (BEFORE + "x = 1\n    more", 2.0),
    )
    found = search(model, tiny, (BEFORE, "\nz\n"), told=True)
    assert list(found) == ["x = 1", "x = 2", "y"]
    expected = [8 / 12, 3 / 12, 1 / 12]
    assert [math.exp(score) for score in found.values()] == pytest.approx(expected, abs=1e-4)


def test_no_more_lines_than_beams(tiny: Any) -> None:
    model = told(tiny, (BEFORE + "x = 1\n", 6.0), (BEFORE + "y = 1\n", 3.0))
    assert list(search(model, tiny, (BEFORE, ""), told=True, beams=1)) == ["x = 1"]


def test_unlikely_lines_are_left(tiny: Any) -> None:
    rare = math.exp(-MARGIN - 0.5)
    model = told(tiny, (BEFORE + "x = 1\n", 1.0), (BEFORE + "y = 1\n", rare))
    assert list(search(model, tiny, (BEFORE, ""), told=True)) == ["x = 1"]


def test_a_word_broken_off_is_gone_on_with(tiny: Any) -> None:
    model = told(tiny, (BEFORE + "import re\n", 1.0), (BEFORE + "other = 1\n", 9.0))
    assert list(search(model, tiny, (BEFORE + "imp", "\n"), told=True)) == ["ort re"]


@pytest.mark.parametrize(
    ("behind", "line", "found"),
    [
        (")\nz\n", "f(x)", ["x"]),
        (")  \nz\n", "f(x)", ["x"]),
        (")\r\nz\n", "f(x)", ["x"]),
        (")", "f(x)", ["x"]),
        (")\n", "f(x, 1)", ["x, 1"]),
        (")\n", "f(x) + 1", []),
    ],
)
def test_what_stands_behind_the_cursor_ends_the_line(
    behind: str, line: str, found: list[str], tiny: Any
) -> None:
    model = told(tiny, (BEFORE + line + "\n", 1.0))
    assert list(search(model, tiny, (BEFORE + "f(", behind), told=True)) == found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("", "\nimport os\n"),
        ("x = 1\n", ""),
        ("def f(x):\n    pri", "(x)\n"),
        ('x = "🦀', '"\ny\n'),
        ("x = '\ud83d", "'\n"),
        ("a" * 5000, "\n"),
        ("x = 1\r\n    y", "\r\nz\r\n"),
    ],
)
def test_whatever_stands_around(before: str, after: str, tiny: Any) -> None:
    """A model without sense: whatever comes, it is lines, likeliest first, without the rest."""
    found = search(tiny.model, tiny, (before, after))
    assert len(found) <= 8
    assert not any("\n" in line or "\r" in line for line in found)
    assert list(found.values()) == sorted(found.values(), reverse=True)


class Ended(Told):
    """Told, of lines that end with the token 11 instead of a line break."""

    def score_tree(
        self, ids: Tensor, places: Tensor, sees: Tensor, cache: KVCache, *, first: int = 0
    ) -> tuple[Tensor, KVCache]:
        logits, longer = super().score_tree(ids, places, sees, cache, first=first)
        breaks = self.tokenizer.encode("\n", add_special_tokens=False).ids[0]
        logits[:, 11] = logits[:, breaks]
        logits[:, breaks] = -50.0
        return logits, longer


def test_a_pass_that_read_what_follows_ends_a_fill_itself(tiny: Any) -> None:
    lines = {BEFORE + "f(x\n": 3.0, BEFORE + "f(y\n": 1.0}
    model = Ended(tiny.tokenizer, tiny.model.config.vocab_size, lines)
    writer = writer_of(model, tiny, (BEFORE + "f(", ")\nz\n"), told=True)
    writer = replace(writer, lead=replace(writer.lead, end=11))
    found = writer.lines()
    assert {line: round(math.exp(p), 2) for line, p in found.items()} == {"x": 0.75, "y": 0.25}


def test_it_ends(tiny: Any) -> None:
    endless = told(tiny, (BEFORE + "x " * 500, 1.0))
    assert search(endless, tiny, (BEFORE, ""), told=True) == {}
    assert endless.passes <= LONGEST + 1


def test_a_cancel_ends_it(tiny: Any) -> None:
    profile = default_profile(tiny.settings)
    prompt: Prompt = build_prompt((BEFORE, ""), tiny.tokenizer, profile)
    cache = tiny.model.encode(torch.tensor(prompt.ids))
    lead = lead_of(prompt, profile, cache, tiny.model, 0)
    texts = TokenTexts(["x"], tiny.model.device)
    given = tiny.model, tiny.tokenizer, texts, profile, prompt, Surroundings((BEFORE, "")), lead
    writer = Writer(*given, cancelled=lambda: True)
    for write in (writer.lines, writer.blocks):
        with pytest.raises(Cancelled):
            write(8)


def write_blocks(tiny: Any, texts: tuple[str, str], *known: tuple[str, float]) -> dict[str, float]:
    return writer_of(told(tiny, *known), tiny, texts, told=True).blocks(200)


def test_blocks_are_what_follows_line_by_line(tiny: Any) -> None:
    found = write_blocks(
        tiny,
        (BEFORE, "\nz = 1\n"),
        (BEFORE + "if a:\n    b()\n    c()\nz = 1\nmore\n", 3.0),
        (BEFORE + "d()\ne()\nz = 1\n", 1.0),
    )
    blocks = ["if a:", "if a:\n    b()", "if a:\n    b()\n    c()", "d()", "d()\ne()"]
    assert sorted(found) == sorted(blocks), "they end before the line that stands below"
    for block in blocks:
        assert math.exp(found[block]) == pytest.approx(0.75 if block[0] == "i" else 0.25, abs=0.01)


def test_a_block_is_six_lines_at_most(tiny: Any) -> None:
    found = write_blocks(tiny, (BEFORE, "\n"), (BEFORE + "x = 1\n" * 40, 1.0))
    assert max(block.count("\n") for block in found) == MOST_LINES - 1


def test_blocks_have_the_files_line_breaks(tiny: Any) -> None:
    known = BEFORE + "a()\r\nb()\r\nc()\r\n"
    assert "a()\r\nb()" in write_blocks(tiny, (BEFORE, "\r\nz = 1\r\n"), (known, 1.0))


def test_no_block_is_written_before_the_rest_of_a_line(tiny: Any) -> None:
    known = BEFORE + "f(1)\nb()\n"
    assert write_blocks(tiny, (BEFORE + "f(", ")\n"), (known, 1.0)) == {}


def test_beams_below_zero_are_refused(tiny: Any) -> None:
    profile: Profile = default_profile(tiny.settings)
    with pytest.raises(ValueError, match="beams must not be below 0"):
        profile.but(beams=-1)
